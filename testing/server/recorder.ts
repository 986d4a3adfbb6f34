/** Records the requests to the servers, and injects the faults that are planned for them. */
import type { IncomingMessage } from "node:http";
import type { FaultPlan } from "../emulators/fault-plan.js";
import { decodeProof, type Proof } from "./check-proof.js";
import type { JsonResponse } from "./json-server.js";

/** A request that a server can be told to fail. */
export type TestServerOperation = "metadata" | "token" | "resource";

/**
 * What goes wrong with one request: status 429 or 503, a connection that is reset, or no response at all.
 */
export type TestServerFault = "throttle" | "5xx" | "reset" | "hang";

/** A request that a server received. */
export interface TestServerRequest {
  readonly operation: TestServerOperation;
  readonly method: string;
  readonly url: string;
  /** The decoded proof, whether or not it was valid. `undefined` if the request had none. */
  readonly proof: Proof | undefined;
  /** The status of the response, or the fault in its place. */
  readonly result: number | TestServerFault;
  /** The error in the response, such as `use_dpop_nonce`. */
  readonly error: string | undefined;
}

/** Records requests and injects faults. */
export class Recorder {
  readonly requests: TestServerRequest[] = [];
  readonly plan: FaultPlan<TestServerOperation, TestServerFault>;

  constructor(plan: FaultPlan<TestServerOperation, TestServerFault>) {
    this.plan = plan;
  }

  /** Records a request, and responds to it: as planned, or else as the server does. */
  async respond(
    operation: TestServerOperation,
    request: IncomingMessage,
    handle: () => Promise<JsonResponse>,
  ): Promise<JsonResponse> {
    const { method = "GET", url = "/", headers } = request;
    const proof = decodeProof(headers.dpop);
    const fault = this.plan.take(operation, { method, url, proof });
    await this.plan.work();
    const response = fault === undefined ? await handle() : faulty(fault);
    const result = typeof response === "object" ? response.status : response;
    const error = typeof response === "object" && "error" in response.body ? String(response.body.error) : undefined;
    this.requests.push({ operation, method, url, proof, result, error });
    return response;
  }
}

function faulty(fault: TestServerFault): JsonResponse {
  if (fault === "throttle") return { status: 429, body: { error: "slow_down" }, headers: { "retry-after": "0" } };
  if (fault === "5xx") return { status: 503, body: { error: "temporarily_unavailable" } };
  return fault;
}
