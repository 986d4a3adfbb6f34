/** Key pairs on a token: made so that they can't leave it, listed, and deleted. */
import { randomBytes } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import {
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_SIGN_RECOVER,
  CKA_TOKEN,
  CKA_UNWRAP,
  CKA_VERIFY,
  CKM_EC_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  P256_PARAMS,
} from "./cryptoki.js";
import { speaksToTpm } from "./evidence.js";
import { findPrivateKey, findSigningKeys } from "./keys.js";
import { findObjects, idBytes, type KeySelector, nameOf } from "./objects.js";
import { onToken, type TokenSession, type TokenTask } from "./token-session.js";

const ID_BYTES = 16;

/**
 * Makes a P-256 key pair on the token: sensitive, never extractable, for signing alone. Both halves get the same label
 * and id.
 *
 * @returns what selects the new key
 * @throws {SignerError} code `ambiguous-key` if the token has an object with that label or id already
 */
export function generateKeyPair(wanted: TokenTask): Promise<KeySelector> {
  const { label } = wanted.key;
  const id = wanted.key.id === undefined ? randomBytes(ID_BYTES) : idBytes(wanted.key.id);
  const name = [{ type: CKA_ID, value: id }, ...(label === undefined ? [] : [{ type: CKA_LABEL, value: label }])];
  const work = async (on: TokenSession) => {
    const { lib, session, signal } = on;
    refuseTaken(on, { label, id }, 0);
    const mechanism = { mechanism: CKM_EC_KEY_PAIR_GEN };
    const halves = [publicTemplate(name), privateTemplate(name, speaksToTpm(lib) ? [] : NOT_ALLOWED)] as const;
    const { publicKey, privateKey } = await lib.C_GenerateKeyPairAsync(session, mechanism, ...halves);
    try {
      refuseTaken(on, { label, id }, 1);
      signal.throwIfAborted();
    } catch (error) {
      // Somebody made one of that name at the same time, and neither is kept by its maker; or nobody waits for it.
      for (const half of [publicKey, privateKey]) lib.C_DestroyObject(session, half);
      throw error;
    }
    return { label, id };
  };
  return onToken(wanted, { doing: "making a key pair", writes: true, work });
}

/** @returns the URIs of the private keys on the token that can sign ES256, by label and id */
export function listKeys(wanted: TokenTask): Promise<string[]> {
  const work = ({ lib, session, token: { label, serial } }: TokenSession) =>
    findSigningKeys(lib, session, wanted.key).map((key) => wanted.uriOf({ label, serial }, keepGiven(key)));
  return onToken(wanted, { doing: "listing keys", writes: false, work });
}

/**
 * Deletes both halves of a key pair. Certificates stay.
 *
 * @throws {SignerError} code `misconfigured` without an id, `key-not-found`, or `ambiguous-key`: nothing was deleted
 */
export async function deleteKeyPair(wanted: TokenTask): Promise<void> {
  const { id, label } = wanted.key;
  const uri = wanted.uriOf(wanted.token, wanted.key);
  if (id === undefined) throw new SignerError("misconfigured", `${uri}: a key is deleted by its id alone.`, { uri });
  const work = ({ lib, session }: TokenSession) => {
    const { handle } = findPrivateKey(lib, session, { id, label });
    const others = findObjects(lib, session, CKO_PRIVATE_KEY, { id }).length > 1;
    const publicHalves = others ? [] : findObjects(lib, session, CKO_PUBLIC_KEY, { id });
    for (const object of [handle, ...publicHalves.map((half) => half.handle)]) lib.C_DestroyObject(session, object);
  };
  await onToken(wanted, { doing: "deleting a key pair", writes: true, work });
}

/** Neither half may share its label or its id with another object of its kind. */
function refuseTaken({ lib, session }: TokenSession, { label, id }: KeySelector, most: number): void {
  const selectors: KeySelector[] = [{ id }, ...(label === undefined ? [] : [{ label }])];
  for (const objectClass of [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY])
    for (const selector of selectors) {
      const found = findObjects(lib, session, objectClass, selector);
      if (found.length <= most) continue;
      const another = selector.id === undefined ? "label" : "id";
      const remedy = `Open it (openSigner, hardproof show), or choose another ${another}.`;
      const message = `The token has ${found.map(nameOf).join(" and ")} already. ${remedy}`;
      throw new SignerError("ambiguous-key", message);
    }
}

type Template = { type: number; value: boolean | string | Buffer }[];

function publicTemplate(name: Template): Template {
  return [
    ...name,
    { type: CKA_TOKEN, value: true },
    { type: CKA_VERIFY, value: true },
    { type: CKA_EC_PARAMS, value: Buffer.from(P256_PARAMS, "hex") },
  ];
}

/** SoftHSM lets a private key decrypt and unwrap unless told not to. tpm2-pkcs11 fails where it is told. */
const NOT_ALLOWED = [CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER];

function privateTemplate(name: Template, no: readonly number[]): Template {
  const yes = [CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN];
  return [...name, ...yes.map((type) => ({ type, value: true })), ...no.map((type) => ({ type, value: false }))];
}

function keepGiven({ label, id }: { label: string; id: Buffer }): KeySelector {
  return { label: label || undefined, id: id.length > 0 ? id : undefined };
}
