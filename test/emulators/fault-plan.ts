/** The faults that an emulator simulates, call by call, and a record of the calls that it received. */

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
  | "corrupt-request"
  | "unverified-digest"
  | "no-formats"
  | "other-algorithm";

/** A call that the emulator received. */
export interface Call<Operation extends string> {
  operation: Operation;
  input: unknown;
}

/** The faults of the next calls by operation, and the calls so far. */
export class FaultPlan<Operation extends string> {
  /** Milliseconds before every response. */
  latency = 0;
  readonly calls: Call<Operation>[] = [];
  readonly #next = new Map<Operation, Fault[]>();
  readonly #always = new Map<Operation, Fault>();

  /** Queues faults: each applies to one call of the operation, in order. */
  next(operation: Operation, ...faults: Fault[]): void {
    this.#next.set(operation, [...(this.#next.get(operation) ?? []), ...faults]);
  }

  /** Applies a fault to every further call of the operation. `undefined` removes it. */
  always(operation: Operation, fault: Fault | undefined): void {
    if (fault === undefined) this.#always.delete(operation);
    else this.#always.set(operation, fault);
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  /** Records a call, and returns the fault for it. Called by the emulator. */
  take(operation: Operation, input: unknown): Fault | undefined {
    this.calls.push({ operation, input });
    return this.#next.get(operation)?.shift() ?? this.#always.get(operation);
  }

  /** Resets faults, latency and recorded calls. */
  clear(): void {
    this.latency = 0;
    this.calls.length = 0;
    this.#next.clear();
    this.#always.clear();
  }
}
