// Holds Kubernetes objects (JSON on standard input, a list) against the API's own schemas. Prints a complaint a line.
import { readFileSync } from 'node:fs';

const objects = JSON.parse(readFileSync(0, 'utf8'));
let complaints = 0;
for (const object of objects) {
  const models = await import(`kubernetes-models/${object.apiVersion}`);
  const Model = models[object.kind];
  try {
    if (!Model) throw new Error(`no such kind in ${object.apiVersion}`);
    new Model(object).validate();
  } catch (error) {
    complaints += 1;
    console.log(`${object.kind} ${object.metadata?.name}: ${error.message}`);
  }
}
process.exit(complaints ? 1 : 0);
