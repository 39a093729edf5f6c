/**
 * Checks each row of the 3GPP requirements now and says whether it holds.
 *
 *     npm run -s seal-report -- [--json | --markdown] [--row R-212 ...]
 */
import { parseArgs } from 'node:util';
import { files } from '../rows/files.ts';
import { asJson, asMarkdown, asTable } from './render.ts';
import { report } from './report.ts';
import { requirements } from './requirements.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, markdown: { type: 'boolean', default: false }, row: { type: 'string', multiple: true } },
});
const unknown = values.row?.find((id) => !requirements.some((row) => row.id === id));
if (unknown !== undefined) {
  console.error(`--row: expected a row of fixtures/seal-rows.json, as R-212, got ${unknown}`);
  process.exit(2);
}
const verdicts = await report(files, values.row);
const render = values.json ? asJson : values.markdown ? asMarkdown : asTable;
console.log(render(verdicts));
// A check that was given up may hold a socket still.
process.exit(verdicts.some(({ status }) => status === 'fail') ? 1 : 0);
