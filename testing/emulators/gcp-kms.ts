/** Cloud KMS emulator on 127.0.0.1: gRPC with the protos of `@google-cloud/kms`, real keys and its own checksums. */
import type { handleUnaryCall, Server, ServerCredentials, ServiceClientConstructor } from "@grpc/grpc-js";
import { FaultPlan } from "./fault-plan.js";
import { damageRequest, damageResponse, throwIfError, throwIfUnknown } from "./gcp-kms-faults.js";
import { type Methods, methods, type Operation, type Requests } from "./gcp-kms-methods.js";
import { GrpcError, KmsStore } from "./gcp-kms-store.js";
import { type Grpc, loadGrpc, status } from "./grpc.js";
import { resettableProxy } from "./resettable-proxy.js";

/** A certificate and its private key, both in PEM. */
export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
}

/** A running emulator. */
export interface GcpKmsEmulator extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, for the option `endpoint` of `GcpKmsSigner`. */
  readonly endpoint: string;
  readonly port: number;
  readonly store: KmsStore;
  /** The Authorization headers that the emulator received. */
  readonly authorization: string[];
  /** The `Date` header of the responses, instead of the time. */
  date: string | undefined;
  readonly plan: FaultPlan<Operation>;
  /** Calls that the client cancelled, or whose deadline passed. */
  readonly cancelled: Operation[];
  /** Lets nothing through the open connections any more. New connections work. */
  freezeConnections(): void;
  /** Returns the largest number of calls that were in flight at the same time. */
  maxInFlight(): number;
  close(): Promise<void>;
}

const KEY_RING = "projects/my-project/locations/europe-west3/keyRings/agents";

/**
 * Starts the emulator with one empty key ring.
 *
 * @param certificate - For TLS, with which the SDK sends an access token. The endpoint is then `https://localhost:PORT`.
 */
export async function gcpKmsEmulator(certificate?: ServerCertificate): Promise<GcpKmsEmulator> {
  const { grpc, loadService } = loadGrpc();
  const store = new KmsStore(KEY_RING);
  const plan = new FaultPlan<Operation>();
  const cancelled: Operation[] = [];
  const authorization: string[] = [];
  const inFlight = { now: 0, max: 0 };
  const handlers: Methods = methods(store);

  const handle = async <Name extends Operation>(operation: Name, request: Requests[Name]): Promise<unknown> => {
    const fault = plan.take(operation, request);
    await plan.work();
    if (fault === "reset") proxy.reset();
    if (fault === "reset" || fault === "hang") return new Promise<never>(() => undefined);
    throwIfError(fault, operation);
    throwIfUnknown(fault, request);
    damageRequest(fault, request);
    return damageResponse(fault, handlers[operation](request), { request, store });
  };
  const serve = <Name extends Operation>(operation: Name): handleUnaryCall<Requests[Name], unknown> => {
    return (call, callback) => {
      let responded = false;
      const end = () => {
        responded = true;
        inFlight.now--;
      };
      const metadata =
        kms.date === undefined ? new grpc.Metadata() : grpc.Metadata.fromHttp2Headers({ date: kms.date });
      authorization.push(...call.metadata.get("authorization").map(String));
      inFlight.max = Math.max(inFlight.max, ++inFlight.now);
      // The event is also emitted for some calls that already have a response.
      call.once("cancelled", () => responded || cancelled.push(operation));
      handle(operation, call.request)
        .finally(end)
        .then(
          (value) => {
            call.sendMetadata(metadata);
            callback(null, value);
          },
          (error) => callback({ ...statusOf(error), metadata }),
        );
    };
  };
  const server = new grpc.Server();
  const { TestIamPermissions: _, ...kmsHandlers } = handlers;
  const operations = Object.keys(kmsHandlers) as Operation[];
  server.addService(
    kmsService(loadService),
    Object.fromEntries(operations.map((operation) => [operation, serve(operation)])),
  );
  server.addService(iamService(loadService), { TestIamPermissions: serve("TestIamPermissions") });
  const proxy = await resettableProxy(await bind(server, credentialsFor(grpc, certificate)));
  const close = async () => {
    server.forceShutdown();
    await proxy.close();
  };
  const kms: GcpKmsEmulator = {
    endpoint: certificate ? `https://localhost:${proxy.port}` : `http://127.0.0.1:${proxy.port}`,
    port: proxy.port,
    authorization,
    date: undefined,
    store,
    plan,
    cancelled,
    freezeConnections: () => proxy.freeze(),
    maxInFlight: () => inFlight.max,
    close,
    [Symbol.asyncDispose]: close,
  };
  return kms;
}

type LoadService = (file: string) => unknown;

function kmsService(load: LoadService) {
  const { google } = load("google/cloud/kms/v1/service.proto") as {
    google: { cloud: { kms: { v1: { KeyManagementService: ServiceClientConstructor } } } };
  };
  return google.cloud.kms.v1.KeyManagementService.service;
}

function iamService(load: LoadService) {
  const { google } = load("google/iam/v1/iam_policy.proto") as {
    google: { iam: { v1: { IAMPolicy: ServiceClientConstructor } } };
  };
  return google.iam.v1.IAMPolicy.service;
}

function credentialsFor({ ServerCredentials }: Grpc, certificate: ServerCertificate | undefined): ServerCredentials {
  if (!certificate) return ServerCredentials.createInsecure();
  const { key, cert } = certificate;
  return ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]);
}

function bind(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

function statusOf(error: unknown) {
  if (error instanceof GrpcError) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: `The emulator failed: ${error}` };
}
