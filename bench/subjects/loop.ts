/** How long the event loop stops while one process works with all kinds of key stores, compared with the same loop idle. */
import { softHsm } from "hardproof/softhsm";
import { startContender } from "../contender.js";
import { median } from "../median.js";
import { type Program, ProgramFailure } from "../program.js";
import { type Row, row } from "../row.js";
import type { Scale } from "../turns.js";
import { keyOn } from "./pkcs11.js";

const WORKS = {
  softhsm: "SoftHSM, 8",
  memory: "10,000 memory proofs at once",
  aws: "AWS KMS, 200",
  gcp: "Google Cloud KMS, 200",
  fetch: "dpopFetch, 256",
} as const;
type Work = keyof typeof WORKS | "idle";
/** Milliseconds, one value for each round. */
type Delays = Record<Work, { longest: number; p99: number }[]>;

const LONGEST = {
  work: "longest stop of the loop in all of it, SDKs loaded",
  beside: "the idle loop in the same run",
  mark: { atMost: 50 },
};
const P99 = { work: "p99 delay of the loop, SoftHSM, 8", beside: "the idle loop in the same run", mark: { atMost: 3 } };

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using hsm = await softHsm({ label: "bench" });
  await using aws = startContender("emulator", ["aws"]);
  await using gcp = startContender("emulator", ["gcp"]);
  await using server = startContender("server", []);
  const { module, token, key, pin, env } = keyOn(hsm);
  const connections = {
    pkcs11: { module, token, key },
    aws: JSON.parse(await aws.firstLine),
    gcp: JSON.parse(await gcp.firstLine),
    url: await server.firstLine,
  };
  await using program = startContender("loop", [JSON.stringify(connections)], {
    title: "Hardproof",
    env: { ...env, HARDPROOF_PIN: pin },
  });
  try {
    return rowsOf(await delaysOf(program, scale));
  } catch (error) {
    if (!(error instanceof ProgramFailure)) throw error;
    const { message: details } = error;
    return [LONGEST, P99].map((comparison) => ({ ...comparison, unit: "ms", outcome: "missed", details }));
  }
}

/** The first round counts too: the longest stop may be the one of a first call. */
async function delaysOf(program: Program, scale: Scale): Promise<Delays> {
  const delays: Delays = { idle: [], softhsm: [], memory: [], aws: [], gcp: [], fetch: [] };
  const { rounds, milliseconds } = scale({ rounds: 8, milliseconds: 500 });
  for (let round = 0; round < rounds; round++)
    for (const work of Object.keys(delays) as Work[]) {
      const response = await program.request(`${work} ${milliseconds}`);
      const [longest = Number.NaN, p99 = Number.NaN] = response.split(" ").map(Number);
      if (Number.isNaN(p99)) throw new ProgramFailure(`${program.title} answered "${response.slice(0, 200)}"`);
      delays[work].push({ longest, p99 });
    }
  return delays;
}

function rowsOf({ idle, ...works }: Delays): Row[] {
  const longest = (all: Delays[Work]) => Math.max(...all.map((one) => one.longest));
  const stops = Object.entries(WORKS).map(
    ([work, name]) => [name, longest(works[work as keyof typeof WORKS])] as const,
  );
  const p99 = (all: Delays[Work]) => all.map((one) => one.p99);
  const idleP99 = median(p99(idle));
  return [
    row(
      LONGEST,
      "ms",
      [Math.max(...stops.map(([, stop]) => stop)) - longest(idle)],
      [...stops, ["idle", longest(idle)] as const].map(([name, stop]) => `${name} ${stop.toFixed(1)} ms`).join("; "),
    ),
    row(
      P99,
      "ms",
      p99(works.softhsm).map((delay) => delay - idleP99),
      `${median(p99(works.softhsm)).toFixed(1)} ms beside ${idleP99.toFixed(1)} ms`,
    ),
  ];
}
