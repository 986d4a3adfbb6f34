/** Servers at the endpoint that aren't Cloud KMS: broken proxies, login pages, other protocols. */
import { once } from "node:events";
import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2, createSecureServer } from "node:http2";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { googleAuthLibrary, grpc } from "google-gax";
import type { SignerError } from "hardproof";
import { type GcpKmsClientConfig, GcpKmsSigner } from "hardproof/gcp-kms";
import { afterAll, describe, expect, it } from "vitest";
import { newCertificate } from "../../servers/mutual-tls.js";

const NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const PAGE = "<!DOCTYPE html><html><title>Login</title><body>VERY-SECRET</body></html>";
const certificate = newCertificate("localhost");

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** Starts a server, and returns its port. */
async function listen<S extends Server>(server: S): Promise<number> {
  servers.push(server);
  // gRPC keeps the connection open until the signer is closed.
  server.on("error", () => undefined);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

async function signingError(port: number, clientConfig: GcpKmsClientConfig = {}): Promise<SignerError> {
  const config = {
    servicePath: "127.0.0.1",
    port,
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new googleAuthLibrary.PassThroughClient(),
    ...clientConfig,
  };
  await using signer = new GcpKmsSigner(NAME, { clientConfig: config, timeout: 20_000 });
  const error = await signer.sign(Buffer.from("message")).then(
    () => expect.unreachable(),
    (reason: SignerError) => reason,
  );
  expect(error.message).not.toMatch(/VERY-SECRET|<html|[\r\n]/);
  expect(error).toMatchObject({ uri: `gcpkms://${NAME}` });
  return error;
}

describe("an HTTP response without a gRPC status", () => {
  it.each([
    [503, "unavailable", true],
    [502, "unavailable", true],
    [500, "unavailable", true],
    [429, "throttled", true],
    [302, "misconfigured", false],
    [404, "misconfigured", false],
    [407, "misconfigured", false],
    [401, "access-denied", false],
    [403, "access-denied", false],
  ])("with status %i is reported as %s, and not as one of Cloud KMS", async (status, code, retryable) => {
    const server = createHttp2((_, reply) => {
      reply.writeHead(status, { "content-type": "text/html", location: "https://login.example/" });
      reply.end(PAGE);
    });
    const error = await signingError(await listen(server));
    expect(error).toMatchObject({ code, retryable, cause: { code: status } });
    expect(error.message).toMatch(
      new RegExp(`HTTP ${status} from GetPublicKey.*is not from Cloud KMS.*code ${status}`),
    );
  });

  it.each(["text/html", "application/json"])("with status 200 and %s is final", async (type) => {
    const server = createHttp2((_, reply) => {
      reply.writeHead(200, { "content-type": type });
      reply.end(PAGE);
    });
    const error = await signingError(await listen(server));
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toMatch(/not from Cloud KMS \(Received .*Call ended without gRPC status.*Check the endpoint/);
  });

  it.each([
    [503, "unavailable", true],
    [429, "throttled", true],
    [200, "misconfigured", false],
    [403, "misconfigured", false],
    [404, "misconfigured", false],
  ])("with status %i over REST is reported as %s", async (status, code, retryable) => {
    const server = createHttp1((_, reply) => {
      reply.writeHead(status, { "content-type": "text/html" });
      reply.end(PAGE);
    });
    const error = await signingError(await listen(server), { fallback: true, protocol: "http" });
    expect(error).toMatchObject({ code, retryable });
    expect(error.message).toContain("is not from Cloud KMS");
  });
});

describe("another protocol", () => {
  it("is final if the server speaks HTTP/1.1", async () => {
    const port = await listen(createHttp1((_, reply) => reply.writeHead(503).end(PAGE)));
    expect(await signingError(port)).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/not from Cloud KMS.*Protocol error/),
    });
  });

  it("is final if the server speaks HTTP/1.1 over TLS", async () => {
    const port = await listen(createHttps(certificate, (_, reply) => reply.writeHead(503).end(PAGE)));
    const sslCreds = grpc.credentials.createSsl(Buffer.from(certificate.cert));
    expect(await signingError(port, { servicePath: "localhost", sslCreds })).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/not from Cloud KMS.*no application protocol/),
    });
  });

  it("is retryable if the server closes the connection", async () => {
    const port = await listen(createTcp((socket) => socket.destroy()));
    expect(await signingError(port)).toMatchObject({ code: "unavailable", retryable: true });
  });
});

it("names the certificate authorities of gRPC if the certificate isn't trusted", async () => {
  const port = await listen(createSecureServer(certificate));
  const error = await signingError(port, { servicePath: "localhost", sslCreds: grpc.credentials.createSsl() });
  expect(error).toMatchObject({ code: "misconfigured", retryable: false });
  expect(error.message).toMatch(/self[- ]signed certificate.*GRPC_DEFAULT_SSL_ROOTS_FILE_PATH/);
});

it("reports a server that can't be reached with its address, and as retryable", async () => {
  const error = await signingError(1);
  expect(error).toMatchObject({ code: "unavailable", retryable: true });
  expect(error.message).toContain("ECONNREFUSED 127.0.0.1:1");
});
