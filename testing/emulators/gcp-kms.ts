/** Cloud KMS emulator on 127.0.0.1: gRPC with the protos of `@google-cloud/kms`, real keys and its own checksums. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { FaultPlan } from "./fault-plan.js";
import { damageRequest, damageResponse, throwIfError, throwIfUnknown } from "./gcp-kms-faults.js";
import { type Methods, methods, type Operation, type Requests } from "./gcp-kms-methods.js";
import { GrpcError, KmsStore } from "./gcp-kms-store.js";
import { resettableProxy } from "./resettable-proxy.js";

/** A running emulator. */
export interface GcpKms {
  /** `http://127.0.0.1:PORT`, for the option `endpoint` of `GcpKmsSigner`. */
  readonly endpoint: string;
  readonly store: KmsStore;
  readonly plan: FaultPlan<Operation>;
  /** Calls that the client cancelled, or whose deadline passed. */
  readonly cancelled: Operation[];
  /** Returns the largest number of calls that were in flight at the same time. */
  maxInFlight(): number;
  close(): Promise<void>;
}

const KEY_RING = "projects/my-project/locations/europe-west3/keyRings/agents";

/** Starts the emulator with one empty key ring. */
export async function gcpKms(): Promise<GcpKms> {
  const store = new KmsStore(KEY_RING);
  const plan = new FaultPlan<Operation>();
  const cancelled: Operation[] = [];
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
      inFlight.max = Math.max(inFlight.max, ++inFlight.now);
      // The event is also emitted for some calls that already have a response.
      call.once("cancelled", () => responded || cancelled.push(operation));
      handle(operation, call.request)
        .finally(end)
        .then(
          (value) => callback(null, value),
          (error) => callback(statusOf(error)),
        );
    };
  };
  const server = new Server();
  const operations = Object.keys(handlers) as Operation[];
  server.addService(kmsService(), Object.fromEntries(operations.map((operation) => [operation, serve(operation)])));
  const proxy = await resettableProxy(await bind(server));
  return {
    endpoint: `http://127.0.0.1:${proxy.port}`,
    store,
    plan,
    cancelled,
    maxInFlight: () => inFlight.max,
    close: async () => {
      server.forceShutdown();
      await proxy.close();
    },
  };
}

/** Loads the service definition from the proto files in the SDK's package. */
function kmsService() {
  const require = createRequire(import.meta.url);
  const kms = require.resolve("@google-cloud/kms");
  const gax = createRequire(kms).resolve("google-gax");
  const includeDirs = [join(dirname(kms), "../protos"), join(dirname(gax), "../protos")];
  const wire = { longs: String, enums: String, defaults: true, oneofs: true };
  const loaded = loadPackageDefinition(loadSync("google/cloud/kms/v1/service.proto", { ...wire, includeDirs }));
  const { google } = loaded as unknown as {
    google: { cloud: { kms: { v1: { KeyManagementService: ServiceClientConstructor } } } };
  };
  return google.cloud.kms.v1.KeyManagementService.service;
}

function bind(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

function statusOf(error: unknown) {
  if (error instanceof GrpcError) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: `The emulator failed: ${error}` };
}
