/**
 * Starts the conformance suite that was built in the cache, on loopback and with its data in memory, until it is
 * interrupted: `npm run openid-suite`. CONTRIBUTING.md says how to build it.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { loopbackServer } from "../../servers/loopback-server.js";
import { newCertificate } from "../../servers/mutual-tls.js";
import { cacheDirectory, run } from "../cache.js";
import { freePort, startServer } from "../child-server.js";

const DIRECTORY = cacheDirectory("openid-suite");
const SUITE = join(DIRECTORY, "source/target/fapi-test-suite.jar");
const CERTIFICATE = join(DIRECTORY, "certificate.pem");
const MONGO = join(DIRECTORY, "mongo");
const MONGO_POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>mongo</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>de.bwaldvogel</groupId><artifactId>mongo-java-server</artifactId><version>1.47.0</version></dependency>
  </dependencies>
</project>
`;
const { JAVA_HOME } = process.env;
const JAVA = JAVA_HOME ? join(JAVA_HOME, "bin/java") : "java";

if (!existsSync(SUITE)) throw new Error(`The suite isn't built: ${SUITE} doesn't exist. See CONTRIBUTING.md.`);
await installMongo();
const certificate = newCertificate("conformance suite");
writeFileSync(CERTIFICATE, certificate.cert);
const [mongoPort, port] = [await freePort(), await freePort()];
const front = await loopbackServer(certificate);
front.http.on("request", (req, res) => forward(req, res, port));
await startMongo(mongoPort);
await startSuite();
console.log(`The suite runs. Test the client with:

NODE_EXTRA_CA_CERTS=${CERTIFICATE} npm run interop openid -- ${front.origin}`);

async function installMongo(): Promise<void> {
  if (existsSync(join(MONGO, "lib"))) return;
  mkdirSync(MONGO, { recursive: true });
  writeFileSync(join(MONGO, "pom.xml"), MONGO_POM);
  await run("mvn", ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], { cwd: MONGO });
}

function startMongo(mongoPort: number): Promise<AsyncDisposable> {
  const program = fileURLToPath(new URL("Mongo.java", import.meta.url));
  // The heap has room for the logs of a few dozen runs.
  const args = ["-Xmx2g", "-cp", join(MONGO, "lib/*"), program, String(mongoPort)];
  return startServer({ program: JAVA, args, ready: "listening" });
}

function startSuite(): Promise<AsyncDisposable> {
  const options = {
    "server.address": "127.0.0.1",
    "server.port": port,
    "spring.mongodb.uri": `mongodb://127.0.0.1:${mongoPort}/test_suite`,
    "fintechlabs.base_url": front.origin,
    "fintechlabs.base_mtls_url": front.origin,
    "fintechlabs.devmode": true, // Its API then needs no login.
    "fintechlabs.show_external_ip_address": false,
  };
  const args = ["-Xmx1g", "-jar", SUITE, ...Object.entries(options).map((pair) => `--${pair.join("=")}`)];
  return startServer({ program: JAVA, args, ready: "Started Application", timeout: 300_000 });
}

/** The suite expects its TLS proxy to say which protocol and cipher the client used. */
function forward(req: IncomingMessage, res: ServerResponse, to: number): void {
  const socket = req.socket as TLSSocket;
  const headers = {
    ...req.headers,
    "x-forwarded-proto": "https",
    "x-forwarded-port": socket.localPort,
    "x-ssl-protocol": socket.getProtocol() ?? "",
    "x-ssl-cipher": socket.getCipher().name,
  };
  const inner = request({ host: "127.0.0.1", port: to, method: req.method, path: req.url, headers }, (response) => {
    res.writeHead(response.statusCode ?? 502, response.rawHeaders);
    response.pipe(res);
  });
  inner.on("error", (error) => res.writeHead(502).end(error.message));
  req.pipe(inner);
}
