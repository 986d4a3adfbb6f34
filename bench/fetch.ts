/** `dpopFetch` to a server on loopback, beside plain `fetch` and one bare signature. */
import { DPoPProver, dpopFetch } from "hardproof";
import { awaited, extraTime, sideBySide } from "./measure.js";
import { startProgram } from "./program.js";
import { bareSign, request } from "./request.js";
import { type Answer, perSecond, row } from "./row.js";

const SERVER = `
  const server = require("node:http").createServer((request, response) => response.end("hello"));
  server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port + "/resource"));
  process.stdin.resume().on("end", () => process.exit());`;

export async function measure(): Promise<Answer[]> {
  const server = await startProgram(process.execPath, ["--eval", SERVER]);
  const url = server.greeting;
  const call = dpopFetch({ prover: await DPoPProver.generate(), token: request.accessToken });
  const headers = { authorization: `DPoP ${request.accessToken}`, dpop: "a".repeat(520) };
  const rates = await sideBySide(
    {
      ours: awaited(async () => (await call(url)).text()),
      plain: awaited(async () => {
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
        what: "dpopFetch to a loopback server",
        against: "plain fetch and one bare signature",
        mark: { atMost: 10 },
        unit: "%",
      },
      extraTime(rates.ours, rates.plain),
      `${perSecond(rates.ours)} against ${perSecond(rates.plain)}`,
    ),
  ];
}
