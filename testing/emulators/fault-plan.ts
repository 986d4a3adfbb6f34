/** The faults that an emulator simulates, call by call, and a record of the calls that it received. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What goes wrong with one call. The faults about checksums (`-crc`), digests and forms of the public key apply only to
 * Cloud KMS.
 */
export type Fault =
  | "throttle"
  | "5xx"
  | "reset"
  | "hang"
  | "wrong-signature"
  | "corrupt-signature"
  | "corrupt-crc"
  | "missing-crc"
  | "other-key"
  | "other-name"
  | "denied"
  | "unauthenticated"
  | "corrupt-request"
  | "unverified-digest"
  | "no-formats"
  | "other-algorithm";

/** A call that the emulator received. */
export interface Call<Operation extends string, Input = unknown> {
  operation: Operation;
  input: Input;
}

/** The faults of the next calls by operation, and the calls so far. An emulator may have faults of its own. */
export class FaultPlan<Operation extends string, PlannedFault = Fault, Input = unknown> {
  /** Milliseconds that every call takes. */
  latency = 0;
  /** The most calls that the service works on at the same time. Further ones wait. */
  concurrency = Number.POSITIVE_INFINITY;
  /** The most calls that were in the service at the same time. */
  mostConcurrent = 0;
  readonly calls: Call<Operation, Input>[] = [];
  readonly #next = new Map<Operation, PlannedFault[]>();
  readonly #always = new Map<Operation, PlannedFault>();
  readonly #waiting: (() => void)[] = [];
  #working = 0;
  #concurrent = 0;

  /** Queues faults: each applies to one call of the operation, in order. */
  next(operation: Operation, ...faults: PlannedFault[]): void {
    this.#next.set(operation, [...(this.#next.get(operation) ?? []), ...faults]);
  }

  /** Applies a fault to every further call of the operation. `undefined` removes it. */
  always(operation: Operation, fault: PlannedFault | undefined): void {
    if (fault === undefined) this.#always.delete(operation);
    else this.#always.set(operation, fault);
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  /** Records a call, and returns the fault for it. Called by the emulator. */
  take(operation: Operation, input: Input): PlannedFault | undefined {
    this.calls.push({ operation, input });
    return this.#next.get(operation)?.shift() ?? this.#always.get(operation);
  }

  /** Resolves when the service has worked on a call. Called by the emulator. */
  async work(): Promise<void> {
    this.#concurrent += 1;
    this.mostConcurrent = Math.max(this.mostConcurrent, this.#concurrent);
    if (this.#working >= this.concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#working += 1;
    if (this.latency > 0) await sleep(this.latency);
    // The next call takes over the place.
    const next = this.#waiting.shift();
    if (next) next();
    else this.#working -= 1;
    this.#concurrent -= 1;
  }

  /** Resets faults, limits and recorded calls. */
  clear(): void {
    this.latency = 0;
    this.concurrency = Number.POSITIVE_INFINITY;
    this.mostConcurrent = 0;
    this.calls.length = 0;
    this.#next.clear();
    this.#always.clear();
  }
}
