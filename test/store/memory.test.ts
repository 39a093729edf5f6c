import { memoryStore } from '../../src/store/index.ts';
import { storeCompliance } from './compliance.ts';

storeCompliance('memoryStore', () => memoryStore, { shared: false });
