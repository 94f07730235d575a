//! For programs that show the tests of a build.

use std::time::Duration;

use modality_compare::{Kind, Quantity, Regression, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::words;
use crate::{Error, Result, grid::beside};

/// What is worse has failed; what could not be told is skipped.
pub(super) fn xml(regression: &Regression) -> Result<String> {
    let mut suite = TestSuite::new(format!("regress against {}", regression.base.name));
    for finding in &regression.findings {
        let said = words::said(finding);
        let ratio = |value| words::ratio(finding.quantity.kind(), value);
        let range = finding
            .interval
            .map_or(String::new(), |i| format!(" ({} to {})", ratio(i.low), ratio(i.high)));
        let message = format!(
            "{said}: {} times{range}, {} to {} after {} pairs",
            ratio(finding.ratio),
            beside::shown(finding.quantity, finding.base),
            beside::shown(finding.quantity, finding.head),
            finding.pairs
        );
        let mut status = match finding.verdict {
            Some(Verdict::Worse) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Some(Verdict::Same | Verdict::Better) => TestCaseStatus::success(),
            Some(Verdict::Ambiguous) | None => TestCaseStatus::skipped(),
        };
        status.set_message(&message);
        let mut case = TestCase::new(finding.quantity.to_string(), status);
        case.set_classname(finding.row.clone());
        let is_time = finding.quantity.kind() == Kind::Time && finding.quantity != Quantity::Cpu;
        if is_time && finding.head.is_finite() {
            case.set_time(Duration::from_secs_f64(finding.head));
        }
        case.set_system_out(message);
        suite.add_test_case(case);
    }
    let mut report = Report::new("modality-bench");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| Error::Junit(error.to_string()))
}
