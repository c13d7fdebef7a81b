import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { admissionContract } from './admission-contract.js';

admissionContract(test, (limit) => new QueueAdmission(limit));
