/** `dpopFetch` to a server on loopback, compared with plain `fetch` and one bare signature. */
import { DPoPProver, dpopFetch } from "hardproof";
import { asyncCalls, extraTime, interleave } from "./measure.js";
import { startProgram } from "./program.js";
import { bareSign, request } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

const SERVER = `
  const server = require("node:http").createServer((request, response) => response.end("hello"));
  server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port + "/resource"));
  process.stdin.resume().on("end", () => process.exit());`;

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const server = await startProgram(process.execPath, ["--eval", SERVER]);
  const url = server.firstLine;
  const boundFetch = dpopFetch({ prover: await DPoPProver.generate(), token: request.accessToken });
  const headers = { authorization: `DPoP ${request.accessToken}`, dpop: "a".repeat(520) };
  const rates = await interleave(
    {
      hardproof: asyncCalls(async () => (await boundFetch(url)).text()),
      plain: asyncCalls(async () => {
        bareSign();
        return (await fetch(url, { headers })).text();
      }),
    },
    { rounds: 40, milliseconds: 200 },
  );
  server.stop();
  return [
    row(
      {
        name: "dpopFetch to a loopback server",
        reference: "plain fetch and one bare signature",
        target: { atMost: 10 },
        unit: "%",
      },
      extraTime(rates.hardproof, rates.plain),
      `${perSecond(rates.hardproof)} vs. ${perSecond(rates.plain)}`,
    ),
  ];
}
