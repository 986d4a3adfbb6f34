/** Cloud KMS on 127.0.0.1: gRPC by the protos that `@google-cloud/kms` ships, with real keys and checksums of its own. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
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
import { type Methods, methods, type Operation, type Requests } from "./gcp-kms-answers.js";
import { damageAnswer, damageRequest, refuse } from "./gcp-kms-faults.js";
import { KmsStore, Refusal } from "./gcp-kms-store.js";
import { resettableFront } from "./resettable-front.js";

export interface GcpKms {
  /** `http://127.0.0.1:PORT`, as `GcpKmsSigner` takes it. */
  readonly endpoint: string;
  readonly store: KmsStore;
  readonly plan: FaultPlan<Operation>;
  /** Calls that their caller cancelled, or whose deadline passed. */
  readonly cancelled: Operation[];
  /** The most calls that were under way at the same time. */
  mostAtOnce(): number;
  close(): Promise<void>;
}

const KEY_RING = "projects/my-project/locations/europe-west3/keyRings/agents";

export async function gcpKms(): Promise<GcpKms> {
  const store = new KmsStore(KEY_RING);
  const plan = new FaultPlan<Operation>();
  const cancelled: Operation[] = [];
  const underWay = { now: 0, most: 0 };
  const answers: Methods = methods(store);
  const otherKey = new KmsStore(KEY_RING).addVersion(new KmsStore(KEY_RING).addKey());

  const answer = async <Name extends Operation>(operation: Name, request: Requests[Name]): Promise<unknown> => {
    const fault = plan.take(operation, request);
    if (plan.latency > 0) await setTimeout(plan.latency);
    if (fault === "reset") front.reset();
    if (fault === "reset" || fault === "hang") return new Promise<never>(() => undefined);
    refuse(fault, operation);
    damageRequest(fault, request);
    return damageAnswer(fault, answers[operation](request), { request, otherKey });
  };
  const serve = <Name extends Operation>(operation: Name): handleUnaryCall<Requests[Name], unknown> => {
    return (call, callback) => {
      let answered = false;
      const end = () => {
        answered = true;
        underWay.now--;
      };
      underWay.most = Math.max(underWay.most, ++underWay.now);
      // The event also comes for some calls that have had their answer.
      call.once("cancelled", () => answered || cancelled.push(operation));
      answer(operation, call.request)
        .finally(end)
        .then(
          (value) => callback(null, value),
          (error) => callback(statusOf(error)),
        );
    };
  };
  const server = new Server();
  const operations = Object.keys(answers) as Operation[];
  server.addService(kmsService(), Object.fromEntries(operations.map((operation) => [operation, serve(operation)])));
  const front = await resettableFront(await bind(server));
  return {
    endpoint: `http://127.0.0.1:${front.port}`,
    store,
    plan,
    cancelled,
    mostAtOnce: () => underWay.most,
    close: async () => {
      server.forceShutdown();
      await front.close();
    },
  };
}

/** The service's definition, out of the very files that the SDK was made from. */
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
  if (error instanceof Refusal) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: `The emulator failed: ${error}` };
}
