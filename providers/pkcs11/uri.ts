/** The key's URI (RFC 7512), without any PIN. */
import { idBytes, type KeySelector } from "./keys.js";
import type { TokenSelector } from "./token.js";

/** @returns such as `pkcs11:token=agents;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so` */
export function formatPkcs11Uri(module: string, token: TokenSelector, key: KeySelector): string {
  const path = [
    token.label !== undefined && `token=${encode(token.label)}`,
    token.serial !== undefined && `serial=${encode(token.serial)}`,
    token.slot !== undefined && `slot-id=${token.slot}`,
    key.label !== undefined && `object=${encode(key.label)}`,
    key.id !== undefined && `id=${percentEncoded(idBytes(key.id))}`,
  ];
  return `pkcs11:${path.filter(Boolean).join(";")}?module-path=${encode(module).replaceAll("%2F", "/")}`;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => percentEncoded(Buffer.from(character)));
}

function percentEncoded(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}
