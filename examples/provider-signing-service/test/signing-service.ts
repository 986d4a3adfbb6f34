/** A signing service with real keys, and faults on request. */
import { createECDH, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What the next signature request gets instead of its response: a status, or a wrong response. */
export type Fault = number | "hang" | "reset" | "garbage" | "other-key" | "other-version";

const TOKEN = "s3cr3t-token-of-the-tests";

/** Starts the service on a free port. It signs with `dpop` (P-256). It also has `large`, whose curve is P-384. */
export async function startSigningService() {
  const generate = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
  const keys = new Map([
    ["dpop", { algorithm: "ES256", exportable: false, versions: [generate("P-256")] }],
    ["large", { algorithm: "ES384", exportable: false, versions: [generate("P-384")] }],
  ]);
  const requests: string[] = [];
  let fault: Fault | undefined;

  /** Returns a response, or a fault. A careless service repeats what it was sent. */
  function respond({ url = "", headers }: IncomingMessage, body: SignRequest): Response | Fault {
    const error = (status: number) => ({ status, json: { error: `rejected ${headers.authorization}` } });
    if (headers.authorization !== `Bearer ${TOKEN}`) return error(401);
    if (url === "/keys") return ok({ keys: [...keys].map(([name, { algorithm }]) => ({ name, algorithm })) });
    const [, name = "", operation] = /^\/keys\/([\w-]+)(\/sign)?$/.exec(url) ?? [];
    const { versions, exportable } = keys.get(name) ?? { versions: [] };
    const key = versions.at((operation ? body.version : 0) - 1);
    if (!key) return error(404);
    if (!operation) return ok({ version: versions.length, exportable, publicKey: spkiOf(key) });
    if (typeof fault === "number") return error(fault);
    if (fault === "other-key")
      return ok({ version: body.version, signature: signDigest(body.digest, generate("P-256")) });
    if (fault === "other-version") return ok({ version: body.version + 1, signature: signDigest(body.digest, key) });
    return fault ?? ok({ version: body.version, signature: signDigest(body.digest, key) });
  }

  const server = createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const result = respond(request, JSON.parse((await text(request)) || "{}"));
    if (result === "reset") request.socket.destroy();
    if (result === "garbage") response.end("<html>");
    if (typeof result === "object")
      response.writeHead(result.status, { location: "http://127.0.0.1:1/" }).end(JSON.stringify(result.json));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    token: TOKEN,
    requests,
    uriOf: (name: string, query = "") => `signing-service://127.0.0.1:${port}/${name}?tls=off${query}`,
    /** Applies to all signature requests until `fail(undefined)`. */
    fail: (next: Fault | undefined) => {
      fault = next;
    },
    rotate: (name: string) => keys.get(name)?.versions.push(generate("P-256")),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface SignRequest {
  readonly version: number;
  readonly digest: string;
}

interface Response {
  readonly status: number;
  readonly json: object;
}

const ok = (json: object): Response => ({ status: 200, json });
const spkiOf = (key: KeyObject) => createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");

/** The order of P-256 (SEC 2 §2.4.2). */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Signs a digest with ECDSA (FIPS 186-5 §6.4.1), which `node:crypto` does only for messages. Returns r‖s in base64. */
function signDigest(digest: string, key: KeyObject): string {
  const nonce = createECDH("prime256v1");
  const r = integer(nonce.generateKeys().subarray(1, 33)) % N;
  const d = integer(Buffer.from(String(key.export({ format: "jwk" }).d), "base64url"));
  const s = (inverse(integer(nonce.getPrivateKey())) * (integer(Buffer.from(digest, "base64")) + r * d)) % N;
  return Buffer.from([r, s].map((value) => value.toString(16).padStart(64, "0")).join(""), "hex").toString("base64");
}

const integer = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** By Fermat's little theorem: N is a prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  for (let base = value, exponent = N - 2n; exponent > 0n; exponent >>= 1n, base = (base * base) % N)
    if (exponent & 1n) result = (result * base) % N;
  return result;
}
