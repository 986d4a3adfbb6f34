/** Checks of the permissions of files that contain a secret, for `hardproof doctor`. */
import type { Finding } from "./finding.js";

const GROUP = 0o070;
const OTHERS = 0o007;
const SHARED =
  "This is fine if the group belongs to the service (a Kubernetes secret with fsGroup). Otherwise run chmod 600.";

/** A file that contains a secret. */
export interface SecretFile {
  /** What is checked, as in {@link Finding.check}. */
  readonly check: string;
  /** What the file contains, in one word. */
  readonly secret: string;
  /** The path of the file, for the finding. */
  readonly path: string;
  /** The mode of the file, from `stat`. */
  readonly mode: number;
}

/** Reports a problem if other users can read the file. If only its group can, the operator has to decide. */
export function checkPermissions({ check, secret, path, mode }: SecretFile): Finding {
  const found = pathWithMode(path, mode);
  if ((mode & OTHERS) !== 0)
    return { check, ok: false, found, remedy: `Run chmod 600: other users can read the ${secret}.` };
  if ((mode & GROUP) === 0) return { check, ok: true, found };
  return { check, ok: null, found: `${found}: its group can read the ${secret}`, remedy: SHARED };
}

/** Returns `/run/secrets/pin (mode 0600)`. */
export function pathWithMode(path: string, mode: number): string {
  return `${path} (mode ${formatMode(mode)})`;
}

/** Returns the permissions as four octal digits: `0600`. */
export function formatMode(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}
