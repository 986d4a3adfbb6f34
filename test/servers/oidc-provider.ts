/** oidc-provider without its warning about Node 20, where it works as far as these tests need it. */
const { warn } = console;
console.warn = (...args: unknown[]) => {
  if (!String(args[0]).includes("oidc-provider WARNING: Unsupported runtime")) warn(...args);
};
const { errors, Provider } = await import("oidc-provider").finally(() => {
  console.warn = warn;
});

export { errors, Provider };
