import test from 'ava';
import { SimpleAdmission } from '../helpers/doubles/simple-admission.js';
import { admissionContract } from './admission-contract.js';

admissionContract(test, (limit) => new SimpleAdmission(limit));
