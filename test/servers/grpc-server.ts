/** A gRPC server with one method and nonces, verified by `verifyProof`. Its messages are text. */
import { randomBytes } from "node:crypto";
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  status,
} from "@grpc/grpc-js";
import { verifyProof } from "hardproof";

/** The method: returns `hello` and its argument. */
export const HELLO: MethodDefinition<string, string> = {
  path: "/greetings.v1.Greeter/Hello",
  requestStream: false,
  responseStream: false,
  requestSerialize: (text) => Buffer.from(text),
  requestDeserialize: String,
  responseSerialize: (text) => Buffer.from(text),
  responseDeserialize: String,
};

/** A running server. */
export interface GrpcServer {
  /** Host and port. */
  readonly address: string;
  /** `OK`, or the error that the server responded with, of each call. */
  readonly results: string[];
  rotateNonce(): void;
  close(): Promise<void>;
}

/** Starts the server, without TLS. */
export async function grpcServer(): Promise<GrpcServer> {
  const results: string[] = [];
  let nonce = newNonce();
  let url = "";
  const server = new Server();
  server.addService(
    { hello: HELLO },
    {
      hello: async (call: ServerUnaryCall<string, string>, respond: (error: object | null, reply?: string) => void) => {
        const error = await rejectionOf(call.metadata, url, nonce);
        results.push(error ?? "OK");
        if (error === undefined) respond(null, `hello ${call.request}`);
        else respond({ code: status.UNAUTHENTICATED, details: error, metadata: challenge(error, nonce) });
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  url = `http://127.0.0.1:${port}${HELLO.path}`;
  return {
    address: `127.0.0.1:${port}`,
    results,
    rotateNonce: () => {
      nonce = newNonce();
    },
    close: async () => server.forceShutdown(),
  };
}

const newNonce = () => randomBytes(12).toString("base64url");

async function rejectionOf(metadata: Metadata, url: string, nonce: string): Promise<string | undefined> {
  const { authorization = "", dpop = "" } = metadata.getMap();
  const [scheme, accessToken] = String(authorization).split(" ");
  if (scheme !== "DPoP" || accessToken === "expired") return "invalid_token";
  const expected = { method: "POST", url, accessToken, nonce, maxAge: 60, now: Date.now() / 1000 };
  const { findings } = await verifyProof(String(dpop), expected);
  const failed = findings.find(({ ok }) => ok === false);
  return failed && (failed.check === "nonce" ? "use_dpop_nonce" : "invalid_dpop_proof");
}

function challenge(error: string, nonce: string): Metadata {
  const metadata = new Metadata();
  metadata.set("www-authenticate", `DPoP error="${error}"`);
  metadata.set("dpop-nonce", nonce);
  return metadata;
}
