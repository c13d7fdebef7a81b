import test from 'ava';
import { ListTracker } from '../helpers/doubles/list-tracker.js';
import { offsetTrackerContract } from './offset-tracker-contract.js';

offsetTrackerContract(test, (epoch) => new ListTracker(epoch));
