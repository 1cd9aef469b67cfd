// Runs AWS's own offline validator on templates: node validate.mjs MODULE FILE…
// Prints "FILE:LINE: RULE MESSAGE" for what is a warning or worse, and exits with 1 when there is any.
import { createRequire } from "node:module";

const [module, ...files] = process.argv.slice(2);
const { RegoEngine, TemplateFile } = createRequire(import.meta.url)(module);
const engine = new RegoEngine();
let found = 0;
for (const file of files) {
  const report = engine.validateStandard(new TemplateFile(file));
  if (report.status !== "OK") {
    console.log(`${file}:1: ${report.status}`);
    found++;
  }
  for (const d of report.diagnostics) {
    if (d.severity === "INFO" || d.severity === "DEBUG") continue;
    console.log(`${file}:${d.startLine ?? 1}: ${d.ruleId} ${d.message.replaceAll("\n", " ")}`);
    found++;
  }
}
engine.free();
process.exitCode = found ? 1 : 0;
