/** Starts the built server of Next.js on loopback, prints what its route responds, and stops it. */
import { spawn } from "node:child_process";

const args = ["node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", "0"];
const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
let output = "";
server.stdout.on("data", async (data) => {
  const known = output;
  output += data;
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(output) ?? [];
  if (url === undefined || known.includes(url)) return;
  try {
    const response = await fetch(`${url}/api/sign`);
    console.log(await response.text());
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    server.kill();
  }
});
