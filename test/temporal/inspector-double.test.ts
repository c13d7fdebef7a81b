import test from 'ava';
import { InspectorDouble } from '../helpers/doubles/inspector-double.js';
import { inspectorPortContract } from './inspector-port-contract.js';

inspectorPortContract(test, async () => new InspectorDouble());
