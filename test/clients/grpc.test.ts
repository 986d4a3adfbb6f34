/** `examples/clients/grpc.ts` with @grpc/grpc-js, at a server that requires nonces. */
import { Client, credentials, type Metadata, status } from "@grpc/grpc-js";
import { DPoPProver, type ProofSession, proofSession, Token, type TokenSource } from "hardproof";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { callWithProof } from "../../examples/clients/grpc.js";
import { type GrpcServer, grpcServer, HELLO } from "../servers/grpc-server.js";
import { errorOf } from "../servers/stub-resource.js";

let server: GrpcServer;
let client: Client;
let session: ProofSession;
beforeAll(async () => {
  server = await grpcServer();
  client = new Client(server.address, credentials.createInsecure());
  session = proofSession({ prover: await DPoPProver.generate() });
});
beforeEach(() => {
  server.rotateNonce();
  server.results.length = 0;
});
afterAll(() => {
  client.close();
  return server.close();
});

const { path, requestSerialize, responseDeserialize } = HELLO;
const send = (text: string) => (metadata: Metadata) =>
  new Promise<string | undefined>((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, text, metadata, (error, reply) =>
      error ? reject(error) : resolve(reply),
    ),
  );
const hello = (text: string, token: string | TokenSource = "a-bound-token") =>
  callWithProof({ session, url: `http://${server.address}${path}`, token }, send(text));

it("succeeds at the first call, and after the nonce was rotated", async () => {
  expect([await hello("a"), await hello("b")]).toEqual(["hello a", "hello b"]);
  server.rotateNonce();
  expect(await hello("c")).toBe("hello c");
  expect(server.results).toEqual(["use_dpop_nonce", "OK", "OK", "use_dpop_nonce", "OK"]);
});

it("renews a token that the server rejects, once", async () => {
  let current = "expired";
  const token = async () => new Token({}, current);
  const renew = async () => {
    current = "renewed";
    return token();
  };
  expect(await hello("a", { token, renew })).toBe("hello a");
  expect(server.results).toEqual(["invalid_token", "OK"]);
});

it("throws gRPC's own error if the server refuses the call, and what the call throws", async () => {
  expect(await errorOf(hello("a", "expired"))).toMatchObject({ code: status.UNAUTHENTICATED });
  const reason = new Error("no metadata");
  const call = callWithProof({ session, url: `http://${server.address}${path}` }, () => Promise.reject(reason));
  expect(await errorOf(call)).toBe(reason);
});
