/** `npm run fuzz -- [OPTIONS] [TARGET...]`: mutated inputs for every decoder, engine and endpoint, the same for the same seed. */
import { countBranches } from './coverage/branches.ts';

// Before anything of this project is loaded: only what is loaded later is counted.
const branches = countBranches();
const { fuzzCommand } = await import('./command.ts');
process.exitCode = await fuzzCommand(process.argv.slice(2), branches);
