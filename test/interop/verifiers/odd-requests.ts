/** Requests with odd URLs and methods, the same in each run. */

/** A request that a proof is made for. */
export interface OddRequest {
  readonly method: string;
  readonly url: string;
  readonly accessToken?: string;
  readonly nonce?: string;
}

const SEED = 9449;
const METHODS = [
  "GET",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "get",
  "report",
  "PROPFIND",
  "M-SEARCH",
  "x!#$&'*",
];
const HOSTS = [
  "api.example.com",
  "API.Example.COM",
  "example.com.",
  "under_score.example",
  "münchen.example",
  "xn--mnchen-3ya.example",
  "例え.テスト",
  "192.0.2.7",
  "[2001:DB8::1]",
  "[2001:db8:0:0:0:0:0:1]",
  `${"long-label.".repeat(18)}example`,
];
const PORTS = ["", ":443", ":80", ":8443", ":1", ":65535"];
/** Each is a path, or a part of one. */
const PATHS = [
  "",
  "/",
  "//",
  "/tools",
  "/tools/",
  "/a//b",
  "/a/./b/../c",
  "/a/%2e%2E/b",
  "/..",
  "/.well-known",
  "/...",
  "/a;v=1,2/b;c",
  "/~user",
  "/%7Euser",
  "/%41%5a",
  "/a%2Fb",
  "/a%2fb",
  "/a%5Cb",
  "/a\\b",
  "/a|b",
  "/a%7Cb",
  "/a^b",
  "/{id}",
  "/`x`",
  "/[x]",
  "/%5Bx%5D",
  '/<"x">',
  "/a b",
  "/a%20b",
  "/a+b",
  "/a:b@c",
  "/!$&'()*,=",
  "/é",
  "/e%CC%81",
  "/日本/😀",
  "/%E6%97%A5",
  "/%ff",
  "/100%",
  "/%zz",
  "/%25%32%35",
  `/${"long/".repeat(200)}`,
];
const QUERIES = ["", "", "?", "?a=b&c=%20", "?a[]=1", "?a=x|y", "?ü=/?", "?url=https://example.com/"];
const FRAGMENTS = ["", "", "#", "#part", "#a/b?c"];
const TOKENS = ["eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "a-._~+/b==", "t".repeat(2_000)];
const NONCES = ["nonce-1", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "n".repeat(300)];

/**
 * Returns requests with every part above. A request without an access token is a POST, as those to a token endpoint are:
 * some verifiers have a method of their own for it, which expects that.
 */
export function oddRequests(count: number): OddRequest[] {
  const random = generator(SEED);
  const pick = (values: readonly string[]) => values[random(values.length)] as string;
  return Array.from({ length: count }, (_, index) => {
    const path = PATHS[index % PATHS.length] + (random(3) === 0 ? pick(PATHS) : "");
    const authority = HOSTS[index % HOSTS.length] + pick(PORTS);
    const url = `${pick(["https", "http", "HTTPS"])}://${authority}${path}${pick(QUERIES)}${pick(FRAGMENTS)}`;
    const nonce = random(2) === 0 ? {} : { nonce: pick(NONCES) };
    if (random(4) === 0) return { method: "POST", url, ...nonce };
    return { method: METHODS[index % METHODS.length] as string, url, accessToken: pick(TOKENS), ...nonce };
  });
}

/** Returns a function for whole numbers from 0 up to a limit: a linear congruential generator. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
