import { testSpec5 } from '../interop/test-spec5.ts';
import { between, us } from '../interop/test-spec5-ends.ts';

testSpec5(between('our client -> our server', us, us));
