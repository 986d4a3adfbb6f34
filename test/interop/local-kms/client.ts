/** The client that runs in the namespace: `client.ts PROGRAM`. Prints one line of JSON for each result of a scenario. */
import { reporter, type Seen } from "../scenario.js";
import { algorithmScenarios } from "./algorithm-scenarios.js";
import { keyScenarios } from "./key-scenarios.js";
import { restartScenario } from "./restart-scenario.js";
import { localKmsServer } from "./server.js";

const [program = ""] = process.argv.slice(2);
const seen: Seen[] = [];
const scenario = reporter(seen);
{
  await using kms = await localKmsServer(program);
  for (const scenarios of [keyScenarios, algorithmScenarios, restartScenario]) await scenarios(kms, scenario);
}
for (const each of seen) console.log(JSON.stringify(each));
process.exit();
