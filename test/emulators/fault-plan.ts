/** What an emulator is told to do wrong, call by call, and what it was asked. */

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
  | "unverified-digest";

export interface Call<Operation extends string> {
  operation: Operation;
  input: unknown;
}

export class FaultPlan<Operation extends string> {
  /** Milliseconds before every answer. */
  latency = 0;
  readonly calls: Call<Operation>[] = [];
  readonly #next = new Map<Operation, Fault[]>();
  readonly #always = new Map<Operation, Fault>();

  /** Each fault is used up by one call of the operation, in order. */
  next(operation: Operation, ...faults: Fault[]): void {
    this.#next.set(operation, [...(this.#next.get(operation) ?? []), ...faults]);
  }

  /** Every call of the operation from now on; `undefined` ends it. */
  always(operation: Operation, fault: Fault | undefined): void {
    if (fault === undefined) this.#always.delete(operation);
    else this.#always.set(operation, fault);
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  /** For the emulator: notes the call, and says what is to go wrong with it. */
  take(operation: Operation, input: unknown): Fault | undefined {
    this.calls.push({ operation, input });
    return this.#next.get(operation)?.shift() ?? this.#always.get(operation);
  }

  /** Forgets faults, latency and calls. */
  clear(): void {
    this.latency = 0;
    this.calls.length = 0;
    this.#next.clear();
    this.#always.clear();
  }
}
