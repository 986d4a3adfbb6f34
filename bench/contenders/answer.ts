/** The contenders' side of the protocol: one line of standard input is a request, one line of standard output its answer. */
import { createInterface } from "node:readline";

/** By the first word of a line. Receives the other words. */
export type Requests = Readonly<Record<string, (...words: string[]) => unknown>>;

/** Writes the first line, and answers until the input ends. A request that fails is answered by "failed" and its reason. */
export async function answer(firstLine: string, requests: Requests): Promise<never> {
  console.log(firstLine);
  for await (const line of createInterface(process.stdin)) {
    const [name = "", ...words] = line.split(" ");
    try {
      console.log(await requests[name]?.(...words));
    } catch (error) {
      console.log(`failed: ${String(error).split("\n", 1)[0]}`);
    }
  }
  process.exit();
}

/** One call of what is measured. */
export type Call = () => unknown;

/** Before it is ready, V8 has compiled a contender: milliseconds of its CPU time, but at most so many of the clock. */
const WARM_UP = { cpu: 400, clock: 2_000 };

/** Answers "turn CALLERS MILLISECONDS" by "CALLS NANOSECONDS CPU-NANOSECONDS", and "memory" by megabytes. */
export async function compete(call: Call, cpuTime: () => number = ownCpuTime): Promise<never> {
  await warmUp(call);
  return answer("ready", {
    turn: (callers, milliseconds) => turn(call, Number(callers), Number(milliseconds), cpuTime),
    memory: () => {
      globalThis.gc?.();
      return process.memoryUsage.rss() / 2 ** 20;
    },
  });
}

async function warmUp(call: Call): Promise<void> {
  const [start, cpuBefore] = [performance.now(), ownCpuTime()];
  while (performance.now() - start < WARM_UP.clock && ownCpuTime() - cpuBefore < 1e3 * WARM_UP.cpu)
    await callFor(50, call);
}

/** Calls for about this long, and returns the answer to "turn". */
export async function turn(
  call: Call,
  callers: number,
  milliseconds: number,
  cpuTime: () => number = ownCpuTime,
): Promise<string> {
  const cpuBefore = cpuTime();
  const start = performance.now();
  const calls = await callFor(milliseconds, call, callers);
  const elapsed = performance.now() - start;
  return [calls, 1e6 * elapsed, 1e3 * (cpuTime() - cpuBefore)].map(Math.round).join(" ");
}

/** Calls for about this long, and returns the number of calls. A synchronous call isn't awaited. */
export async function callFor(milliseconds: number, call: Call, callers = 1): Promise<number> {
  const start = performance.now();
  let calls = 0;
  const caller = async () => {
    for (; performance.now() - start < milliseconds; calls++) {
      const result = call();
      if (result instanceof Promise) await result;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return calls;
}

/** CPU time of all threads of this process, in µs. */
function ownCpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
