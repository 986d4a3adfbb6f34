/** A route of Next.js that makes the checks of the environment. */
import * as checks from "../../../checks.mjs";

export const dynamic = "force-dynamic";

export async function GET() {
  const lines = [];
  await checks.run(checks, (line) => lines.push(line));
  return new Response(lines.join("\n"));
}
