/** VaultSigner over TLS with a private CA and a client certificate, as docs/vault.md shows it. */
import { TLSSocket } from "node:tls";
import { VaultSigner } from "hardproof/vault";
import { Agent, fetch as undiciFetch } from "undici";
import { afterAll, expect, it } from "vitest";
import { vaultEmulator } from "../../../testing/emulators/vault.js";
import { forwardRequests } from "../../servers/forward-requests.js";
import { loopbackServer } from "../../servers/loopback-server.js";
import { newCertificate } from "../../servers/mutual-tls.js";

const server = await vaultEmulator();
server.addKey("dpop");
const [ours, clients] = [newCertificate("vault.example"), newCertificate("agent")];
const tls = await loopbackServer({ ...ours, ca: clients.cert, requestCert: true });
const presented: unknown[] = [];
forwardRequests(tls, ({ socket }) => {
  presented.push(socket instanceof TLSSocket && socket.authorized);
  return { to: server.address };
});
afterAll(async () => {
  await Promise.all([tls.close(), server.close()]);
});

const options = { address: tls.origin, token: server.tokens.root };

it("signs by a fetch that trusts the server's CA and presents a certificate", async () => {
  const dispatcher = new Agent({ connect: { ca: ours.cert, ...clients } });
  // undici's own types differ slightly from the global ones.
  const fetchWithCertificate = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as never;
  await using signer = new VaultSigner("dpop", { ...options, fetch: fetchWithCertificate });
  await expect(signer.sign(Buffer.from("message"))).resolves.toHaveLength(64);
  expect(presented.length).toBeGreaterThan(1);
  expect(presented.every((authorized) => authorized === true)).toBe(true);
  await signer.close();
  await dispatcher.close();
});

it("doesn't send a request to a server whose certificate isn't trusted, and names what to set", async () => {
  presented.length = 0;
  await using signer = new VaultSigner("dpop", options);
  await expect(signer.publicJwk()).rejects.toMatchObject({
    code: "misconfigured",
    message: expect.stringMatching(/certificate can't be verified \(DEPTH_ZERO_SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/),
  });
  expect(presented).toEqual([]);
});
