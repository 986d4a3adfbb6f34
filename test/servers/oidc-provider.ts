/** oidc-provider, loaded without its notice that Node 20 is too old: it runs there, and these tests show it. */
const { warn } = console;
console.warn = (...args: unknown[]) => {
  if (!String(args[0]).includes("oidc-provider WARNING: Unsupported runtime")) warn(...args);
};
const { errors, Provider } = await import("oidc-provider").finally(() => {
  console.warn = warn;
});

export { errors, Provider };
