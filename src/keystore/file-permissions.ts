/** Who else may read a file that holds a secret, for `hardproof doctor`. */
import type { Finding } from "./finding.js";

const GROUP = 0o070;
const OTHERS = 0o007;
const SHARED = "Fine where the group is the service's own (a Kubernetes secret under fsGroup). Else chmod 600.";

/** What is looked at: `secret` is what the file holds, in a word. */
export interface SecretFile {
  readonly check: string;
  readonly secret: string;
  readonly path: string;
  /** Of the file, as `stat` gives it. */
  readonly mode: number;
}

/** A fault if others can read it; to be decided by the operator if its group can. */
export function whoReads({ check, secret, path, mode }: SecretFile): Finding {
  const found = withMode(path, mode);
  if ((mode & OTHERS) !== 0) return { check, ok: false, found, remedy: `chmod 600: others can read the ${secret}` };
  if ((mode & GROUP) === 0) return { check, ok: true, found };
  return { check, ok: null, found: `${found}: its group can read the ${secret}`, remedy: SHARED };
}

/** @returns `/run/secrets/pin (mode 0600)` */
export function withMode(path: string, mode: number): string {
  return `${path} (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`;
}
