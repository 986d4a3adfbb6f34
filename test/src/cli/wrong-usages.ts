/** A newcomer's wrong usages: command line → what its message must say, and the exit code. */

/** One wrong usage. `$DIR` is an existing directory with the files of the test, `$SERVER` and others are URLs. */
export interface WrongUsage {
  readonly args: string;
  /** Parts of the message, in order: the thing, the cause, the next step. */
  readonly says: RegExp;
  /** Default: 2. */
  readonly code?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

const AGENT = { HARDPROOF_CLIENT_ID: "agent", HARDPROOF_CLIENT_SECRET: "s3cr3t-s3cr3t" };
const KEY = { HARDPROOF_KEY: "memory:" };
const BOTH = { ...AGENT, ...KEY };
const TOKEN = { ...KEY, TOKEN: "an-access-token" };
const LOGIN = "token --issuer $SERVER --grant authorization_code --no-browser";
const MODULE = "module-name=softhsm2";

const TIMEOUT = /--timeout must be a number of seconds, greater than 0 and at most 86400: 10 or 0\.5/;

/** Commands, options and arguments. */
const COMMAND_LINE: readonly WrongUsage[] = [
  { args: "", says: /Expected a command.*hardproof --help/ },
  { args: "help nonsense", says: /Expected a command.*hardproof --help/ },
  { args: "shwo", says: /Argument 1 is not a command.*Did you mean show/ },
  { args: "frobnicate", says: /Argument 1 is not a command.*hardproof --help/ },
  { args: "memory:", says: /Argument 1 is a key's URI.*hardproof show <uri>/ },
  { args: "show memory: --onyl jkt", says: /--onyl is not an option of hardproof show.*Did you mean --only/ },
  { args: "show memory: --frobnicate", says: /--frobnicate is not an option of hardproof show.*hardproof show --help/ },
  { args: "show memory: --only", says: /--only needs a value: --only <part>.*hardproof show --help/ },
  { args: "show memory: --only all", says: /--only must be one of jkt, jwk, jwks, pem/ },
  { args: "show memory: --issuer x", says: /--issuer is not an option of hardproof show.*option of register, token/ },
  { args: "show memory: memory:", says: /Too many arguments.*hardproof show \[uri\]/ },
  { args: "show memory: --key memory:", says: /URI either as an argument or with --key/ },
  { args: "show", says: /Pass the key's URI, or set HARDPROOF_KEY/ },
  { args: "keygen --key memory:", says: /--key is not an option of hardproof keygen.*hardproof keygen \[uri\]/ },
  { args: "show --uri memory:", says: /--uri is not an option of hardproof show.*hardproof show \[uri\]/ },
  { args: "fetch --url https://a.example", says: /--url is not an option.*hardproof fetch <url>/ },
  { args: "keygen memory: --algorithm ES256", says: /--algorithm is not an option.*--alg/ },
  { args: "keygen memory: --alg P-256", says: /--alg must be one of ES256, ES384/ },
  { args: "keygen memory: --alg", says: /--alg needs a value.*hardproof keygen --help/ },
  {
    args: "keygen memory:?algorithm=ES384 --alg ES256",
    says: /--alg is ES256, but the URI's attribute algorithm is ES384/,
  },
  { args: "verify", says: /argument <proof> is missing.*hardproof verify <proof>/ },
  { args: "fetch", says: /argument <url> is missing.*hardproof fetch <url>/ },
  { args: "verify -", says: /The proof: standard input is empty/ },
  { args: "verify a.b.c --jkt hunter2", says: /--jkt must be a SHA-256 thumbprint of 43 characters.*show --only jkt/ },
  { args: `verify a.b.c --jkt ${"0Z".repeat(21)}B`, says: /--jkt must be a SHA-256 thumbprint/ },
  { args: "demo --softhsm --require software", says: /leave out --softhsm or --require\./ },
  { args: "demo --softhsm --public-key a.pem", says: /leave out --softhsm or --public-key\./ },
  { args: "demo memory: --softhsm", says: /leave out --softhsm or the URI of a key\./ },
  { args: "completion", says: /argument <shell> is missing.*hardproof completion <shell>/ },
  { args: "completion tcsh", says: /The shell must be one of bash, zsh, fish/ },
  { args: "csr memory:", says: /--subject is missing: pass --subject <name>/ },
  { args: "csr memory: --subject agent-7", says: /--subject: Expected an attribute, such as CN=agent-7/ },
  { args: "csr memory: --subject CN=a --ip localhost", says: /--ip: Expected/ },
  { args: "csr memory: --subject CN=a --uri nonsense", says: /--uri: Expected/ },
  { args: "csr memory: --subject CN=a --usage web", says: /--usage: Expected one of clientAuth.*OID/ },
  { args: "csr memory: --subject CN=a --out $DIR/exists", says: /--out: .*EEXIST.*Choose another path/ },
  { args: "csr memory: --subject CN=a --out $DIR/no/a", says: /--out: .*ENOENT.*Check the path/ },
  { args: "csr memory: --subject CN=a --output a", says: /--output is not an option of hardproof csr/ },
  { args: "bench memory: --seconds ten", says: /--seconds must be a number greater than 0/ },
  { args: "bench memory: --concurrency 0", says: /--concurrency must be a comma-separated list.*1,4,16/ },
  { args: "proof memory: GET", says: /URL is missing.*hardproof proof \[uri\] GET https/ },
  { args: "proof memory: https://a.example", says: /method is missing.*hardproof proof \[uri\] GET https/ },
  { args: "proof GET", says: /URL is missing.*hardproof proof \[uri\] GET https/ },
  { args: "proof memory: GET https://a.example x", says: /Too many arguments.*hardproof proof \[uri\] GET https/ },
  { args: "proof memory: GET a.example", says: /URL is missing, or isn't the last argument/ },
  {
    args: "proof memory: GET https://a.example --nonce 'a b'",
    says: /--nonce must be the value of the server's DPoP-Nonce/,
  },
  { args: "proof memory: GET https://a.example --htu x", says: /--htu must have the form FROM=TO.*https:\/\/public/ },
  {
    args: "proof memory: GET https://a.example --htu https://b.example=https://c.example",
    says: /--htu doesn't apply/,
  },
  {
    args: "proof memory: GET https://a.example --clock-offset soon",
    says: /--clock-offset must be a whole number.*90 or -90/,
  },
  { args: "show memory: --timeout 10s", says: TIMEOUT },
  { args: "show memory: --timeout 0", says: TIMEOUT },
  { args: "show memory: --timeout 0.0", says: TIMEOUT },
  { args: "show memory: --timeout -1", says: TIMEOUT },
  { args: "show memory: --timeout=-1", says: TIMEOUT },
  { args: "show memory: --timeout NaN", says: TIMEOUT },
  { args: "show memory: --timeout Infinity", says: TIMEOUT },
  { args: "show memory: --timeout 1e3", says: TIMEOUT },
  { args: "show memory: --timeout 1,5", says: TIMEOUT },
  { args: "show memory: --timeout 86401", says: TIMEOUT },
  { args: "show memory: --timeout 99999999999999999999", says: TIMEOUT },
  { args: "show memory: --timeout ''", says: TIMEOUT },
  { args: "show memory: --timeout", says: /--timeout needs a value: --timeout <seconds>/ },
  {
    args: "verify x --timeout 1",
    says: /--timeout is not an option of hardproof verify.*option of keygen, keys, delete, show/,
  },
  { args: "fetch https://a.example --max-time 5", says: /--max-time is not an option.*--timeout <seconds>/ },
  { args: "fetch https://a.example -m 5", says: /-m is not an option.*--timeout <seconds>/ },
  { args: "verify x --max-age -5", says: /--max-age must be a number greater than 0/ },
  {
    args: "doctor memory: --require hms",
    says: /--require must be a comma-separated list of hsm, tpm.*Did you mean hsm/,
  },
  { args: "proof memory: GET https://a.example --require HSM", says: /--require must be .*Did you mean hsm/ },
  { args: "show memory: --require hsm,", says: /--require must be a comma-separated list of hsm, tpm, software/ },
  { args: "keygen memory: --require yubikey", says: /--require must be a comma-separated list/ },
  ...["secure-element", "se", "strongbox", "enclave", "external-hsm", "usb"].map((word) => ({
    args: `show memory: --require ${word}`,
    says: /--require must be a comma-separated list of [a-z, ]+\.\s*$/,
  })),
  { args: "token --require", says: /--require needs a value: --require <protections>.*hardproof token --help/ },
  { args: "show memory: --require hsm --require tpm", says: /Pass --require once.*hsm,tpm/ },
  {
    args: "keys memory: --require hsm",
    says: /--require is not an option of hardproof keys.*It is an option of keygen/,
  },
  { args: "doctor --require hsm", says: /--require needs a key: pass a URI, or set HARDPROOF_KEY/ },
  {
    args: "doctor memory: --no-login --require hsm",
    says: /--require needs the key to be opened: leave out --no-login/,
  },
  {
    args: "show memory: --require software",
    says: /memory:: The key can be exported; --require asks for software.*use another store/,
    code: 3,
  },
  {
    args: "keygen file://$DIR/new.pem --require hsm",
    says: /file: No key was created.*can be exported; --require asks for hsm.*use another store/,
    code: 3,
  },
  { args: "keygen memory:", says: /memory: ends with this command.*file:\/\/\/path\/to\/key\.pem/ },
  { args: "keys memory: --tokens", says: /memory: This store doesn't have tokens. List its keys/ },
  { args: "keys file:///x --tokens", says: /file: This store doesn't have tokens/ },
  {
    args: "keys pkcs11: --tokens",
    says: /pkcs11: The URI needs module-path or module-name, such as \?module-name=softhsm2/,
  },
  { args: "delete", says: /argument <uri> is missing.*hardproof delete <uri>/, env: KEY },
  { args: "delete memory:", says: /Pass --yes to confirm.*Nothing was deleted/ },
  { args: "delete memory: --yes", says: /memory: There is nothing to delete/ },
  { args: "delete memory: -y", says: /-y is not an option of hardproof delete.*--yes/ },
  { args: "delete memory: --force", says: /--force is not an option of hardproof delete.*--yes/ },
  { args: "delete file://$DIR/key.pem --days 7 --yes", says: /--days is for keys in AWS KMS/ },
  { args: "delete awskms:///alias/a --days 5 --yes", says: /--days must be a whole number from 7 to 30/ },
  { args: "delete awskms:///alias/a --days soon --yes", says: /--days must be a whole number from 7 to 30/ },
  { args: "delete file://$DIR/exists --yes", says: /one private key and nothing else.*wasn't deleted/, code: 3 },
  { args: "delete file://$DIR --yes", says: /isn't a regular file.*Nothing was deleted/ },
  { args: "delete file://$DIR/nothing.pem --yes", says: /ENOENT.*Correct the path/, code: 3 },
  { args: "delete openssl:handle:0x81010001 --yes", says: /openssl: This store can't delete keys.*store's own tool/ },
  { args: "delete ssh-agent:?comment=a --yes", says: /ssh-agent: An agent can't delete a key.*ssh-add -d FILE/ },
  { args: "rm memory:", says: /Argument 1 is not a command.*hardproof --help/ },
  { args: "doctor --server pkcs11:x", says: /--server must be an https: URL/ },
  { args: "doctor --server auth.example.com", says: /--server must be an https: URL, such as/ },
  { args: "show memory: --provider hardproof-nothing", says: /hardproof-nothing can't be loaded.*installed/ },
  { args: "show memory: --public-key", says: /--public-key needs a value/ },
  { args: "show memory: --public-key $DIR/nothing.pem", says: /--public-key: .*ENOENT.*Check the path/ },
  { args: "show memory: --public-key $DIR", says: /--public-key: .*EISDIR.*Name a file/ },
  { args: "show memory: --public-key $DIR/key.pem", says: /--public-key: .*private key.*only the public key/ },
  { args: "show memory: --public-key $DIR/exists", says: /--public-key: the file must contain a public key/ },
];

/** Secrets in the wrong place, or missing. */
const SECRETS: readonly WrongUsage[] = [
  { args: "token --client-secret hunter2", says: /--client-secret.*HARDPROOF_CLIENT_SECRET.*--client-secret-file/ },
  { args: "token --client-secret=hunter2", says: /--client-secret.*HARDPROOF_CLIENT_SECRET.*--client-secret-file/ },
  { args: "token --refresh-token hunter2", says: /--refresh-token .*HARDPROOF_REFRESH_TOKEN.*--refresh-token-file/ },
  { args: "token --subject-token hunter2", says: /--subject-token .*HARDPROOF_SUBJECT_TOKEN/ },
  { args: "token --actor-token hunter2", says: /--actor-token .*HARDPROOF_ACTOR_TOKEN/ },
  { args: "register --initial-access-token hunter2", says: /--initial-access-token .*--initial-access-token-file/ },
  { args: "register --software-statement hunter2", says: /--software-statement .*--software-statement-file/ },
  { args: "show --pin hunter2", says: /--pin .*pin-source=env:NAME/ },
  { args: "keys -p hunter2", says: /-p .*pin-source=env:NAME/ },
  { args: "show --password hunter2", says: /--password .*passphrase-source=env:NAME/ },
  { args: "fetch https://a.example --access-token hunter2", says: /--access-token .*--token-env <name>/ },
  { args: "fetch https://a.example --token hunter2", says: /--token takes only - .*other users can read/ },
  { args: "fetch https://a.example -u agent:hunter2", says: /-u .*--client-id.*HARDPROOF_CLIENT_SECRET/ },
  {
    args: "fetch https://a.example -H Authorization:hunter2",
    says: /--header can't be Authorization or DPoP/,
    env: KEY,
  },
  { args: "proof GET https://a.example --token-env TOKN", says: /environment variable TOKN is not set/, env: KEY },
  {
    args: "proof GET https://a.example --token-env eyJhbGciOiJ",
    says: /variable is not set.*name, not its value/,
    env: KEY,
  },
  {
    args: "proof GET https://a.example --token-env EMPTY",
    says: /variable EMPTY is empty/,
    env: { ...KEY, EMPTY: "" },
  },
  {
    args: "proof GET https://a.example --token-file $DIR/nothing",
    says: /--token-file: .*ENOENT.*Check the path/,
    env: KEY,
  },
  { args: "proof GET https://a.example --token-file $DIR", says: /--token-file: .*EISDIR/, env: KEY },
  { args: "proof GET https://a.example --token-file $DIR/empty", says: /file of --token-file is empty/, env: KEY },
  { args: "proof GET https://a.example --token -", says: /standard input is empty/, env: KEY },
  {
    args: "proof GET https://a.example --token-file /dev/tty",
    says: /--token-file: standard input isn't a terminal.*Pass -/,
    env: KEY,
    stdin: "an-access-token",
  },
  {
    args: "proof GET https://a.example --token - --token-env TOKEN",
    says: /only one of --token -, --token-env and --token-file/,
    env: TOKEN,
  },
  {
    args: "token --issuer $SERVER --client-secret-file $DIR/nothing",
    says: /--client-secret-file: .*ENOENT/,
    env: BOTH,
  },
  {
    args: "token --issuer $SERVER --grant refresh_token",
    says: /--refresh-token-file, or set HARDPROOF_REFRESH_TOKEN/,
    env: BOTH,
  },
  {
    args: "token --issuer $SERVER --grant token_exchange",
    says: /--subject-token-file, or set HARDPROOF_SUBJECT_TOKEN/,
    env: BOTH,
  },
  {
    args: "introspect --issuer $SERVER",
    says: /Pass the token with --token -, --token-env or --token-file/,
    env: AGENT,
  },
  { args: "revoke --issuer $SERVER", says: /Pass the token with --token -, --token-env or --token-file/, env: AGENT },
  {
    args: "token --base-url $REFUSES",
    says: /no client secret was sent.*HARDPROOF_CLIENT_SECRET/,
    code: 1,
    env: { ...KEY, HARDPROOF_CLIENT_ID: "agent" },
  },
];

/** A token as it stands in a header. */
const SCHEMES: readonly WrongUsage[] = [
  {
    args: "fetch $CLOSED --token-env TOKEN",
    says: /access token: the environment variable TOKEN must contain only the token\. Leave out "Bearer "\./,
    env: { ...KEY, TOKEN: "Bearer hunter2" },
  },
  {
    args: "proof POST https://a.example --token -",
    says: /access token: standard input must contain only the token\. Leave out "DPoP "\./,
    env: KEY,
    stdin: "Authorization: dpop hunter2\n",
  },
  {
    args: "verify a.b.c --token-file $DIR/bearer",
    says: /the file of --token-file must contain only the token\. Leave out "Bearer "\./,
  },
  {
    args: "proof GET https://a.example --token-env TOKEN",
    says: /variable TOKEN must contain only the token\. It has spaces, line breaks or other characters/,
    env: { ...KEY, TOKEN: "hunter2 hunter2" },
  },
  {
    args: "introspect --issuer $SERVER --token-env TOKEN",
    says: /The token: the environment variable TOKEN .*Leave out "Bearer "/,
    env: { ...AGENT, TOKEN: "bearer hunter2" },
  },
  {
    args: "token --base-url $SERVER --grant refresh_token",
    says: /refresh token: the environment variable HARDPROOF_REFRESH_TOKEN .*Leave out "Bearer "/,
    env: { ...BOTH, HARDPROOF_REFRESH_TOKEN: "Bearer hunter2" },
  },
  {
    args: "token --base-url $SERVER --grant token_exchange --subject-token-file -",
    says: /subject token: standard input .*Leave out "Bearer "/,
    env: BOTH,
    stdin: "Bearer hunter2",
  },
  {
    args: "register --issuer $SERVER --initial-access-token-file $DIR/bearer",
    says: /the file of --initial-access-token-file .*Leave out "Bearer "/,
    env: KEY,
  },
];

/** Options of other tools. */
const OTHER_TOOLS: readonly WrongUsage[] = [
  { args: "keys --module /usr/lib/x.so", says: /--module .*module-path=.*module-name=softhsm2/ },
  { args: "keys --slot 0", says: /--slot .*slot-id=0/ },
  { args: "show --label a", says: /--label .*object=LABEL/ },
  { args: "show --id 01", says: /--id .*id=%01/ },
  { args: "keys --token-label a", says: /--token-label .*token=LABEL/ },
  { args: "show --region eu-central-1", says: /--region .*\?region=eu-central-1/ },
  { args: "show --pin-source env:X", says: /--pin-source .*\?pin-source=env:NAME/ },
  { args: "keys --login", says: /--login .*pin-source/ },
  { args: "fetch -k https://a.example", says: /-k .*always verified.*NODE_EXTRA_CA_CERTS/ },
  { args: "fetch --cacert a.pem https://a.example", says: /--cacert .*NODE_EXTRA_CA_CERTS/ },
  { args: "fetch --proxy http://p https://a.example", says: /--proxy .*HTTPS_PROXY/ },
  { args: "fetch -L https://a.example", says: /-L .*same origin/ },
  { args: "fetch -v https://a.example", says: /-v .*--include/ },
];

/** URIs of keys. */
const URIS: readonly WrongUsage[] = [
  { args: "show dpop", says: /URI must start with its store's scheme.*pkcs11:/ },
  { args: "show pcks11:token=a", says: /scheme pcks11:.*Did you mean pkcs11:\?/ },
  { args: "show pkcs:token=a", says: /scheme pkcs:.*Did you mean pkcs11:\?/ },
  { args: "show aws-kms:///k", says: /scheme aws-kms:.*Did you mean awskms:\?/ },
  { args: "show nonsense:k", says: /scheme nonsense:.*Known schemes are.*--provider/ },
  { args: "show memory:key", says: /memory: Nothing may follow.*character 8/ },
  {
    args: "show memory:?alg=ES256",
    says: /memory: Unknown attribute. Did you mean algorithm\?.*Known attributes: algorithm/,
  },
  { args: "show memory:?algorithm=P-256", says: /memory: algorithm must be one of ES256/ },
  { args: "show file:key.pem", says: /file: Expected an absolute path.*file:\/\/\/run/ },
  { args: "show file://key.pem", says: /file: Expected an absolute path/ },
  { args: "show file://$DIR/nothing.pem", says: /ENOENT.*doesn't exist.*Correct the path, or create the key/, code: 3 },
  { args: "show file://$DIR", says: /EISDIR.*It is a directory/, code: 3 },
  { args: "show file://$DIR/exists", says: /exists: This isn't the PEM of a private key/, code: 3 },
  { args: "keygen file://$DIR/exists", says: /already exists, and is not overwritten. Choose another path/ },
  { args: "show file://$DIR/key.pem?passphrase=hunter2", says: /Did you mean passphrase-source\?/ },
  { args: "keys memory:", says: /memory: This store can't list its keys/ },
  { args: `show pkcs11:token=a;object=b`, says: /pkcs11: The URI needs module-path or module-name/ },
  { args: `show pkcs11://token=a?${MODULE}`, says: /pkcs11: Remove \/\/.*character 8/ },
  { args: `show pkcs11:object=b?${MODULE}`, says: /token isn't named.*token, serial or slot-id/ },
  { args: `keygen pkcs11:token=a?${MODULE}`, says: /key isn't named.*object or id/ },
  { args: `show pkcs11:tokn=a;object=b?${MODULE}`, says: /Did you mean token\?.*character 8/ },
  { args: `show pkcs11:token=a;objct=b?${MODULE}`, says: /Did you mean object\?/ },
  { args: `show pkcs11:token=a;object=b;${MODULE}`, says: /module-name belongs after the question mark/ },
  { args: `show pkcs11:token=a?object=b&${MODULE}`, says: /object belongs before the question mark/ },
  { args: `show pkcs11:token=a;object=b?${MODULE}&pin-sorce=env:X`, says: /Did you mean pin-source\?/ },
  {
    args: `show pkcs11:token=a;object=b?${MODULE}&pin-source=hunter2`,
    says: /pin-source must be env:NAME.*leave the attribute out/,
  },
  {
    args: `show pkcs11:token=a;object=b?${MODULE}&pin-source=-`,
    says: /pin-source must be.*terminal, leave the attribute out/,
  },
  { args: "show file:///a.pem?passphrase-source=-", says: /passphrase-source must be.*leave the attribute out/ },
  { args: `show pkcs11:token=a;object=b?${MODULE}&pin-source=env:`, says: /pin-source must be env:NAME/ },
  { args: `show pkcs11:slot-id=first;object=b?${MODULE}`, says: /slot-id must be a decimal number/ },
  { args: `show pkcs11:token=a;token=b?${MODULE}`, says: /token appears twice/ },
  { args: `show pkcs11:token=%zz?${MODULE}`, says: /two hex digits after %/ },
  { args: `show pkcs11:token=a;object=b;type=public?${MODULE}`, says: /type must be private/ },
  { args: "show pkcs11:token=a;object=b?module-path=x.so", says: /module-path must be an absolute path/ },
  { args: "show pkcs11:token=a;object=b?module-name=/x.so", says: /module-name must be a name, such as softhsm2/ },
  { args: `show pkcs11:token=a;object=b?${MODULE}&sessions=many`, says: /sessions must be a decimal number/ },
  { args: `show pkcs11:token=a;object=b?${MODULE}&algorithm=RSA`, says: /algorithm must be one of/ },
  { args: `show pkcs11:token=a;object=b?${MODULE}&algorithm=ES256&algorithm=ES384`, says: /algorithm appears twice/ },
  { args: `show pkcs11:token?${MODULE}`, says: /Expected name=value.*character 8/ },
  { args: "show tpm:", says: /token isn't named/ },
  { args: "show tpm://token=a", says: /tpm: Remove \/\// },
  { args: "show tpm:token=a;object=b?tcti=usb", says: /tcti must be device:/ },
  { args: "show tpm:token=a;object=b?stor=/x", says: /Did you mean store\?/ },
  { args: "show awskms:alias/a", says: /awskms: Expected \/\/\/ after awskms:/ },
  { args: "show awskms:///", says: /name of the AWS KMS key is missing.*alias/ },
  { args: "show awskms:///my-key?region=r", says: /"my-key" is not the name of a KMS key.*alias/ },
  { args: "show awskms:///alias/a?regoin=r", says: /Did you mean region\?/ },
  { args: "show gcpkms:projects/p", says: /gcpkms: Expected \/\/projects/ },
  { args: "show gcpkms://projects/p", says: /not a valid resource name.*A full name is projects/ },
  {
    args: "show gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k?endpoint=http://evil.example",
    says: /endpoint evil\.example is not allowed.*googleapis\.com/,
  },
  { args: "show ssh-agent:", says: /ssh-agent: The URI doesn't name a key.*ssh-add -l/ },
  { args: "show ssh-agent:MD5:aa", says: /ssh-agent: Expected SHA256:/ },
  { args: "keys ssh-agent:", says: /SSH_AUTH_SOCK.*Start an agent/ },
];

/** Clients, servers and requests. */
const SERVERS: readonly WrongUsage[] = [
  { args: "token", says: /client ID with --client-id, or set HARDPROOF_CLIENT_ID/, env: KEY },
  { args: "token", says: /authorization server with --issuer, --base-url or --token-endpoint\./, env: BOTH },
  {
    args: "token --grant device_code",
    says: /authorization server with --issuer or --base-url\./,
    env: BOTH,
  },
  { args: "register", says: /authorization server with --issuer or --base-url\./, env: KEY },
  { args: "revoke --token-env TOKEN", says: /server with --issuer or --base-url\./, env: { ...AGENT, ...TOKEN } },
  {
    args: "fetch $SERVER/x",
    says: /wasn't found: .*Pass the server with --issuer, --base-url or --token-endpoint, or .*--resource/,
    env: { ...KEY, HARDPROOF_CLIENT_ID: "agent" },
  },
  {
    args: "fetch https://api.example.com",
    says: /client secret.*Pass the server with --issuer, --base-url or --token-endpoint, or use --client-auth/,
    env: BOTH,
  },
  {
    args: "token --base-url $SERVER --resource foo",
    says: /--resource must be an absolute URI without a fragment\. It can be repeated\./,
    env: BOTH,
  },
  {
    args: "token --base-url $BEARER --require-binding",
    says: /isn't bound to a key, but --require-binding is set/,
    code: 1,
    env: BOTH,
  },
  {
    args: "fetch $SERVER --token-endpoint $BEARER/token",
    says: /issued a Bearer token.*Request it with the prover from a server that supports DPoP\.$/m,
    env: BOTH,
  },
  {
    args: "fetch $REDIRECTS --token-env TOKEN",
    says: /redirects to https:\/\/other\.example\. Nothing was sent there\. Call the final URL\.$/m,
    code: 4,
    env: TOKEN,
  },
  ...["CONNECT", "trace", "TRACK"].map((method) => ({
    args: `fetch $CLOSED --token-env TOKEN -X ${method}`,
    says: /(?:CONNECT|TRACE|TRACK) requests can't be sent: pass another --request\./,
    env: TOKEN,
  })),
  ...["connection: x", "Expect: 100-continue", "keep-alive: 5", "Transfer-Encoding: chunked", "upgrade: h2c"].map(
    (header) => ({
      args: `fetch $CLOSED --token-env TOKEN -H '${header}'`,
      says: /--header can't be Connection, Expect, .*: leave it out\./,
      env: TOKEN,
    }),
  ),
  {
    args: "fetch $CLOSED --token-env TOKEN -H 'Connection: close'",
    says: /can't be reached \(ECONNREFUSED\)/,
    code: 4,
    env: TOKEN,
  },
  ...["GET", "get", "HEAD"].map((method) => ({
    args: `fetch $CLOSED --token-env TOKEN -X ${method} -d a=b`,
    says: /A (?:GET|HEAD) request can't have a body: leave out --data, or pass -X POST\./,
    env: TOKEN,
  })),
  { args: "token --issuer $SERVER --base-url $SERVER", says: /Use only one of --issuer and --base-url/, env: BOTH },
  {
    args: "token --issuer $SERVER --token-endpoint $SERVER/token",
    says: /Use only one of --issuer and --token-endpoint/,
    env: BOTH,
  },
  {
    args: "fetch $SERVER --base-url $SERVER --token-endpoint $SERVER/token",
    says: /Use only one of --base-url and --token-endpoint/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint /oauth/token",
    says: /--token-endpoint must be an https: URL, such as https/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint ftp://auth.example.com/token",
    says: /--token-endpoint must be an https: URL/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint http://auth.example.com/token",
    says: /--token-endpoint http:\/\/auth\.example\.com is not https.*--allow-insecure/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint https://agent:hunter2@auth.example.com/token",
    says: /--token-endpoint must be a plain URL, without a user name, password or fragment/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint $SERVER/token --profile fapi2",
    says: /--profile needs the server's metadata: use --issuer instead of --token-endpoint/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint $SERVER/token --grant device_code",
    says: /--grant device_code needs more than --token-endpoint: use --issuer or --base-url/,
    env: BOTH,
  },
  {
    args: "token --token-endpoint $SERVER/token --grant authorization_code",
    says: /--grant authorization_code needs more than --token-endpoint: use --issuer or --base-url/,
    env: BOTH,
  },
  {
    args: "introspect --token-endpoint $SERVER/token --token-env TOKEN",
    says: /--token-endpoint is not an option of hardproof introspect.*option of token, fetch/,
    env: TOKEN,
  },
  { args: "token --token-url $SERVER/token", says: /--token-url is not an option.*--token-endpoint/, env: BOTH },
  { args: "token --issuer auth.example.com", says: /--issuer must be an https: URL/, env: BOTH },
  { args: "token --issuer http://auth.example.com", says: /not https.*--allow-insecure/, env: BOTH },
  { args: "token --base-url http://auth.example.com", says: /not https.*--allow-insecure/, env: BOTH },
  { args: "token --base-url ftp://auth.example.com", says: /--base-url must be an https: URL/, env: BOTH },
  { args: "token --issuer $SERVER/wrong", says: /belongs to a different issuer/, code: 4, env: BOTH },
  { args: "token --issuer $HTML", says: /metadata of .* was not found.*status 404.*Check the URL/, code: 4, env: BOTH },
  { args: "token --issuer $CLOSED", says: /ECONNREFUSED.*Check the URL's port/, code: 4, env: BOTH },
  {
    args: "token --issuer https://no-such-host.invalid",
    says: /(?:ENOTFOUND|EAI_AGAIN).*Check the host's name/,
    code: 4,
    env: BOTH,
  },
  { args: "token --issuer $SERVER --grant password", says: /--grant must be one of client_credentials/, env: BOTH },
  {
    args: "token --issuer $SERVER --client-auth basic",
    says: /--client-auth must be one of client_secret_post/,
    env: BOTH,
  },
  { args: "token --issuer $SERVER --profile fapi1", says: /--profile must be one of fapi2/, env: BOTH },
  {
    args: "token --base-url $SERVER --profile fapi2",
    says: /--profile needs the server's metadata: use --issuer/,
    env: BOTH,
  },
  {
    args: "token --issuer $SERVER --profile fapi2",
    says: /profile fapi2 requires --client-auth private_key_jwt/,
    env: BOTH,
  },
  { args: "token --issuer $SERVER --extra prompt", says: /--extra must be name=value/, env: BOTH },
  { args: "token --issuer $SERVER --extra scope=a", says: /--extra would override the field scope/, env: BOTH },
  { args: "token --issuer $SERVER --audience a", says: /--audience needs --grant token_exchange/, env: BOTH },
  {
    args: "token --issuer $SERVER --redirect-port 80",
    says: /--redirect-port needs --grant authorization_code/,
    env: BOTH,
  },
  {
    args: "token --issuer $SERVER --refresh-token-file a",
    says: /--refresh-token-file needs --grant refresh_token/,
    env: BOTH,
  },
  { args: `${LOGIN} --redirect-port http`, says: /--redirect-port must be a number from 1 to 65535/, env: BOTH },
  {
    args: `${LOGIN} --redirect-uri https://a.example/callback`,
    says: /--redirect-uri must be http: on 127\.0\.0\.1/,
    env: BOTH,
  },
  { args: `${LOGIN} --response-mode fragment`, says: /--response-mode must be one of query/, env: BOTH },
  { args: `${LOGIN} --login-timeout 0`, says: /--login-timeout must be a number greater than 0/, env: BOTH },
  {
    args: "token --issuer $SERVER --grant token_exchange --subject-token-type jwt2",
    says: /--subject-token-type must be one of access_token/,
    env: BOTH,
  },
  {
    args: "token --issuer $SERVER --client-auth client_secret_basic",
    says: /client_secret_basic needs a secret.*HARDPROOF_CLIENT_SECRET/,
    env: { ...KEY, HARDPROOF_CLIENT_ID: "agent" },
  },
  {
    args: "token --base-url $REFUSES --scope x",
    says: /responded with status 401: invalid_client.*--client-auth client_secret_basic/,
    code: 1,
    env: BOTH,
  },
  { args: "fetch resource", says: /URL must be absolute: https/, env: TOKEN },
  { args: "fetch http://api.example.com --token-env TOKEN", says: /not https.*--allow-insecure/, env: TOKEN },
  {
    args: "fetch $CLOSED --token-env TOKEN",
    says: /can't be reached \(ECONNREFUSED\).*Check the URL's port/,
    code: 4,
    env: TOKEN,
  },
  { args: "fetch $SERVER --token-env TOKEN -H nonsense", says: /--header must have the form name: value/, env: TOKEN },
  { args: "fetch $SERVER --token-env TOKEN -d @$DIR/nothing", says: /--data: .*ENOENT/, env: TOKEN },
  { args: "fetch $SERVER --token-env TOKEN -o $DIR/no/a", says: /--output: .*ENOENT.*Check the path/, env: TOKEN },
  { args: "fetch $SERVER --token-env TOKEN -X 'G T'", says: /The method must be .* such as GET/, env: TOKEN },
  { args: "register --issuer $SERVER --metadata $DIR/nothing", says: /--metadata: .*ENOENT/, env: KEY },
  {
    args: "register --issuer $SERVER --metadata $DIR/exists",
    says: /--metadata: the file must contain a JSON object/,
    env: KEY,
  },
  { args: "register --issuer $SERVER", says: /registration_endpoint/, env: KEY },
  {
    args: "register --issuer $SERVER --client-auth client_secret_basic",
    says: /Pass --output <path> to store it, or --json/,
    env: KEY,
  },
  {
    args: "introspect --issuer $SERVER --token-env TOKEN --token-type-hint bearer",
    says: /--token-type-hint must be one of access_token/,
    env: { ...BOTH, ...TOKEN },
  },
];

/** All of them. */
export const WRONG_USAGES: readonly WrongUsage[] = [
  ...COMMAND_LINE,
  ...SECRETS,
  ...SCHEMES,
  ...OTHER_TOOLS,
  ...URIS,
  ...SERVERS,
];
