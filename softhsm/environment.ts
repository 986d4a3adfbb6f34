/** Sets the environment variables through which a PKCS#11 library finds its token. */

const inUse = new Set<string>();

/**
 * Sets the variables of this process. A variable that belongs to another open token stays unchanged.
 *
 * @returns A function that restores the previous values.
 */
export function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const restorers = Object.entries(variables).map(([name, value]) => setVariable(name, value));
  return () => {
    for (const restore of restorers) restore();
  };
}

function setVariable(name: string, value: string): () => void {
  if (inUse.has(name)) return () => undefined;
  const previous = process.env[name];
  inUse.add(name);
  process.env[name] = value;
  let restored = false;
  return () => {
    if (restored) return;
    restored = true;
    inUse.delete(name);
    if (process.env[name] !== value) return;
    if (previous === undefined) delete process.env[name];
    else process.env[name] = previous;
  };
}
