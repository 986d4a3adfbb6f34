/** `key-object.ts URI`: proofs by `keyObjectSigner`, with a key that Node itself opens by an OpenSSL provider. The PIN is in HARDPROOF_PIN. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { keyObjectSigner } from "hardproof";
import { compete } from "./answer.js";
import { proofMaker } from "./request.js";

const key = new URL(process.argv[2] ?? "");
// The types of the oldest supported Node don't have keys by URL.
const input = { key, passphrase: process.env.HARDPROOF_PIN } as unknown as Parameters<typeof createPrivateKey>[0];
const privateKey = createPrivateKey(input);
await compete(await proofMaker(keyObjectSigner(privateKey, { publicKey: createPublicKey(privateKey) })));
