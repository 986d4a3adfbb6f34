/** The variables that point this process at a token: a process has one of each, so one token of a kind has them. */

const held = new Set<string>();

/** Sets the variables unless an open token has them; returns what puts the former values back. */
export function pointProcessAt(variables: Readonly<Record<string, string>>): () => void {
  const restorers = Object.entries(variables).map(([name, value]) => setVariable(name, value));
  return () => {
    for (const restore of restorers) restore();
  };
}

function setVariable(name: string, value: string): () => void {
  if (held.has(name)) return () => undefined;
  const former = process.env[name];
  held.add(name);
  process.env[name] = value;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    held.delete(name);
    if (process.env[name] !== value) return;
    if (former === undefined) delete process.env[name];
    else process.env[name] = former;
  };
}
