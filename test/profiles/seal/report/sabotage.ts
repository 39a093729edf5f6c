/** To be given to `node --import`: puts the saboteur that the environment variable SABOTEUR names in the place of what holds a rule. */
import { register } from 'node:module';

register(new URL('./saboteur-loader.js', import.meta.url), { data: JSON.parse(process.env['SABOTEUR']!) });
