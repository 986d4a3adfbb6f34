/** The URI of a key on a token (RFC 7512). */
import type { AlgorithmName } from "../src/index.js";
import type { KeyName } from "./key-templates.js";

/** Where the token and its PIN are. */
export interface TokenLocation {
  readonly label: string;
  readonly serial: string;
  /** The path of the library. */
  readonly module: string;
  /** The path of a file with the PIN. */
  readonly pinFile: string;
}

/** Returns `pkcs11:token=…;serial=…;object=…;id=%…?module-path=…&pin-source=…`. */
export function keyUri(
  { label, serial, module, pinFile }: TokenLocation,
  key: KeyName & { readonly algorithm?: AlgorithmName | undefined },
): string {
  const path = [
    `token=${encodeURIComponent(label)}`,
    `serial=${encodeURIComponent(serial)}`,
    ...(key.label === undefined ? [] : [`object=${encodeURIComponent(key.label)}`]),
    ...(key.id === undefined ? [] : [`id=${key.id.replace(/../g, "%$&").toUpperCase()}`]),
  ];
  const query = [
    `module-path=${encodePath(module)}`,
    `pin-source=${encodePath(pinFile)}`,
    ...(key.algorithm === undefined ? [] : [`algorithm=${key.algorithm}`]),
  ];
  return `pkcs11:${path.join(";")}?${query.join("&")}`;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
