/** A PKCS#11 library with ML-DSA keys: those of another library whose labels begin with the name of the algorithm. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileLibrary } from "./compile.js";

/** The library, and what signs for it. */
export interface MlDsaToken {
  /** The path of the library to load. */
  readonly module: string;
  close(): void;
}

/** The algorithms, and the bytes of their public keys (FIPS 204 §4). */
const PUBLIC_KEY_BYTES = { "ML-DSA-44": 1312, "ML-DSA-65": 1952, "ML-DSA-87": 2592 };
const NAME_BYTES = 9;

/**
 * Compiles the library, and starts the server that signs for it. The version of Node must have ML-DSA.
 *
 * @param library - The path of the library that receives the other calls.
 */
export async function mlDsaToken(library: string): Promise<MlDsaToken> {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-ml-dsa-"));
  const module = join(directory, "ml-dsa-token.so");
  compileLibrary("ml-dsa-token.c", module);
  const keys = new Map<string, KeyObject>();
  for (const [name, bytes] of Object.entries(PUBLIC_KEY_BYTES)) {
    // The types of the oldest supported release of Node don't have ML-DSA.
    const { privateKey, publicKey } = generateKeyPairSync(name.toLowerCase() as "ed25519");
    writeFileSync(join(directory, `${name}.pub`), publicKey.export({ type: "spki", format: "der" }).subarray(-bytes));
    keys.set(name, privateKey);
  }
  // `buffer` of node:stream/consumers isn't used: on Node 26 it destroys the socket before the answer is written.
  const answer = (socket: Socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.once("end", () => {
      const request = Buffer.concat(chunks);
      const key = keys.get(request.toString("latin1", 0, NAME_BYTES));
      socket.end(key ? sign(null, request.subarray(NAME_BYTES), key) : "");
    });
  };
  const server = createServer({ allowHalfOpen: true }, answer);
  await new Promise<void>((resolve) => server.listen(join(directory, "signer"), resolve));
  Object.assign(process.env, { HARDPROOF_ML_DSA_MODULE: library, HARDPROOF_ML_DSA_DIRECTORY: directory });
  const close = () => {
    server.close();
    rmSync(directory, { recursive: true });
  };
  return { module, close };
}
