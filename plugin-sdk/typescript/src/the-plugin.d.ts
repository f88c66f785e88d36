declare module "@stanch/the-plugin" {
  const plugin: import("./kinds.js").Plugin;
  export default plugin;
}
