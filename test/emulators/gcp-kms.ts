/** Cloud KMS emulator on 127.0.0.1: gRPC with the protos of `@google-cloud/kms`, real keys and its own checksums. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  type handleUnaryCall,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Certificate } from "../servers/mutual-tls.js";
import { FaultPlan } from "./fault-plan.js";
import { damageRequest, damageResponse, throwIfError, throwIfUnknown } from "./gcp-kms-faults.js";
import { type Methods, methods, type Operation, type Requests } from "./gcp-kms-methods.js";
import { GrpcError, KmsStore } from "./gcp-kms-store.js";
import { resettableProxy } from "./resettable-proxy.js";

/** A running emulator. */
export interface GcpKms {
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
export async function gcpKms(certificate?: Certificate): Promise<GcpKms> {
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
      const metadata = kms.date === undefined ? new Metadata() : Metadata.fromHttp2Headers({ date: kms.date });
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
  const server = new Server();
  const { TestIamPermissions: _, ...kmsHandlers } = handlers;
  const operations = Object.keys(kmsHandlers) as Operation[];
  server.addService(kmsService(), Object.fromEntries(operations.map((operation) => [operation, serve(operation)])));
  server.addService(iamService(), { TestIamPermissions: serve("TestIamPermissions") });
  const proxy = await resettableProxy(await bind(server, certificate));
  const kms: GcpKms = {
    endpoint: certificate ? `https://localhost:${proxy.port}` : `http://127.0.0.1:${proxy.port}`,
    port: proxy.port,
    authorization,
    date: undefined,
    store,
    plan,
    cancelled,
    freezeConnections: () => proxy.freeze(),
    maxInFlight: () => inFlight.max,
    close: async () => {
      server.forceShutdown();
      await proxy.close();
    },
  };
  return kms;
}

function kmsService() {
  const { google } = load("google/cloud/kms/v1/service.proto") as {
    google: { cloud: { kms: { v1: { KeyManagementService: ServiceClientConstructor } } } };
  };
  return google.cloud.kms.v1.KeyManagementService.service;
}

function iamService() {
  const { google } = load("google/iam/v1/iam_policy.proto") as {
    google: { iam: { v1: { IAMPolicy: ServiceClientConstructor } } };
  };
  return google.iam.v1.IAMPolicy.service;
}

/** Loads service definitions from the proto files in the SDK's packages. */
function load(file: string): unknown {
  const require = createRequire(import.meta.url);
  const kms = require.resolve("@google-cloud/kms");
  const gax = createRequire(kms).resolve("google-gax");
  const includeDirs = [join(dirname(kms), "../protos"), join(dirname(gax), "../protos")];
  const wire = { longs: String, enums: String, defaults: true, oneofs: true };
  return loadPackageDefinition(loadSync(file, { ...wire, includeDirs }));
}

function credentialsFor(certificate: Certificate | undefined): ServerCredentials {
  if (!certificate) return ServerCredentials.createInsecure();
  const { key, cert } = certificate;
  return ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]);
}

function bind(server: Server, certificate: Certificate | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentialsFor(certificate), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

function statusOf(error: unknown) {
  if (error instanceof GrpcError) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: `The emulator failed: ${error}` };
}
