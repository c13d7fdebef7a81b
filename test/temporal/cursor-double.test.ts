import test from 'ava';
import { CursorDouble } from '../helpers/doubles/cursor-double.js';
import { cursorPortContract } from './cursor-port-contract.js';

cursorPortContract(test, async () => {
  const one = new CursorDouble();
  return [one, one];
});
