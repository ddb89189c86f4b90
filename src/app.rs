//! The composition root: inputs → clients → phases → report.
