//! Responses from StationXML.

use num_complex::Complex64;

use super::error::{Remark, RemarkKind};
use super::response::{
    Decimation, FirSymmetry, PolesZeros, Response, ResponseStage, Sensitivity, StageFilter,
    StageGain, TransferVariable,
};
use crate::id::StreamId;
use crate::xml::{Element, XmlResult};

/// Most coefficients, poles and zeros of a response; each costs time at every frequency. The longest chains have some
/// thousand.
const MAX_TERMS: usize = 1 << 16;

/// Response of a channel; `None` for an empty element, as in StationXML at level `channel` of some servers.
pub(super) fn response(
    element: Element,
    id: &StreamId,
    remarks: &mut Vec<Remark>,
) -> XmlResult<Option<Response>> {
    let mut remark = |line: u64, kind: RemarkKind| {
        remarks.push(Remark {
            line,
            id: Some(id.clone()),
            kind,
        });
    };
    if let Some(polynomial) = element.child("InstrumentPolynomial") {
        remark(polynomial.line(), RemarkKind::Polynomial { stage: None });
    }
    let sensitivity = element.child("InstrumentSensitivity").map(sensitivity);
    let sensitivity = sensitivity.transpose()?;
    let stages = element.all("Stage").map(stage);
    let stages = stages.collect::<XmlResult<Vec<ResponseStage>>>()?;
    let n: usize = stages.iter().map(|stage| n_terms(&stage.filter)).sum();
    if n > MAX_TERMS {
        let text = format!(
            "the response has {n} coefficients, poles and zeros; at most {MAX_TERMS} are read"
        );
        return Err(element.error(text));
    }
    for (stage, element) in stages.iter().zip(element.all("Stage")) {
        let number = stage.number;
        match stage.filter {
            StageFilter::List => remark(element.line(), RemarkKind::ResponseList { stage: number }),
            StageFilter::Polynomial => {
                let stage = Some(number);
                remark(element.line(), RemarkKind::Polynomial { stage });
            }
            _ => {}
        }
    }
    let response = Response {
        sensitivity,
        stages,
    };
    Ok((response != Response::default()).then_some(response))
}

fn n_terms(filter: &StageFilter) -> usize {
    match filter {
        StageFilter::PolesZeros(stage) => stage.zeros.len() + stage.poles.len(),
        StageFilter::Coefficients {
            numerators,
            denominators,
        } => numerators.len() + denominators.len(),
        StageFilter::Fir { coefficients, .. } => coefficients.len(),
        _ => 0,
    }
}

fn sensitivity(element: Element) -> XmlResult<Sensitivity> {
    Ok(Sensitivity {
        value: element.required("Value")?.number()?,
        frequency_hz: element.required("Frequency")?.number()?,
        input_unit: unit(element, "InputUnits"),
        output_unit: unit(element, "OutputUnits"),
    })
}

fn unit(element: Element, name: &'static str) -> Option<String> {
    let unit = element.child(name)?.child_text("Name")?;
    Some(unit.to_owned())
}

fn stage(element: Element) -> XmlResult<ResponseStage> {
    let number = element.required_attribute("number")?;
    let number = number.parse().map_err(|_| {
        element.error(format!(
            "the stage number is `{number}`, not a whole number"
        ))
    })?;
    let kinds = [
        "PolesZeros",
        "Coefficients",
        "FIR",
        "ResponseList",
        "Polynomial",
    ];
    let described = element.children().find(|e| kinds.contains(&e.name()));
    let unit_of = |name| described.and_then(|e| unit(e, name));
    Ok(ResponseStage {
        number,
        input_unit: unit_of("InputUnits"),
        output_unit: unit_of("OutputUnits"),
        filter: described.map_or(Ok(StageFilter::None), filter)?,
        decimation: element.child("Decimation").map(decimation).transpose()?,
        gain: element.child("StageGain").map(gain).transpose()?,
    })
}

fn gain(element: Element) -> XmlResult<StageGain> {
    Ok(StageGain {
        value: element.required("Value")?.number()?,
        frequency_hz: element.required("Frequency")?.number()?,
    })
}

fn decimation(element: Element) -> XmlResult<Decimation> {
    Ok(Decimation {
        input_rate_hz: element.required("InputSampleRate")?.number()?,
        factor: element.required("Factor")?.count()?,
        delay_s: element.required("Delay")?.number()?,
        correction_s: element.required("Correction")?.number()?,
    })
}

fn filter(element: Element) -> XmlResult<StageFilter> {
    match element.name() {
        "PolesZeros" => poles_zeros(element).map(StageFilter::PolesZeros),
        "Coefficients" => coefficients(element),
        "FIR" => fir(element),
        "ResponseList" => Ok(StageFilter::List),
        _ => Ok(StageFilter::Polynomial),
    }
}

fn poles_zeros(element: Element) -> XmlResult<PolesZeros> {
    let kind = element.required("PzTransferFunctionType")?;
    let variable = match kind.text().to_ascii_uppercase().as_str() {
        "LAPLACE (RADIANS/SECOND)" => TransferVariable::LaplaceRadians,
        "LAPLACE (HERTZ)" => TransferVariable::LaplaceHertz,
        "DIGITAL (Z-TRANSFORM)" => TransferVariable::Digital,
        other => {
            return Err(kind.error(format!(
                "the type of poles and zeros is `{other}`; it must be LAPLACE (RADIANS/SECOND), LAPLACE (HERTZ) or \
                 DIGITAL (Z-TRANSFORM)"
            )));
        }
    };
    let roots = |name: &'static str| element.all(name).map(root).collect::<XmlResult<_>>();
    Ok(PolesZeros {
        variable,
        // The schema's default.
        normalization_factor: element.child_number("NormalizationFactor")?.unwrap_or(1.0),
        normalization_frequency_hz: element.required("NormalizationFrequency")?.number()?,
        zeros: roots("Zero")?,
        poles: roots("Pole")?,
    })
}

fn root(element: Element) -> XmlResult<Complex64> {
    Ok(Complex64::new(
        element.required("Real")?.number()?,
        element.required("Imaginary")?.number()?,
    ))
}

fn numbers(element: Element, name: &'static str) -> XmlResult<Vec<f64>> {
    element.all(name).map(|e| e.number()).collect()
}

fn coefficients(element: Element) -> XmlResult<StageFilter> {
    let numerators = numbers(element, "Numerator")?;
    let denominators = numbers(element, "Denominator")?;
    let kind = element.required("CfTransferFunctionType")?;
    let is_digital = kind.text().eq_ignore_ascii_case("DIGITAL");
    let is_filter = !(numerators.is_empty() && denominators.is_empty());
    Ok(match is_filter && !is_digital {
        true => StageFilter::AnalogCoefficients,
        false => StageFilter::Coefficients {
            numerators,
            denominators,
        },
    })
}

fn fir(element: Element) -> XmlResult<StageFilter> {
    let kind = element.required("Symmetry")?;
    let symmetry = match kind.text().to_ascii_uppercase().as_str() {
        "NONE" => FirSymmetry::None,
        "ODD" => FirSymmetry::Odd,
        "EVEN" => FirSymmetry::Even,
        other => {
            let text = format!("the symmetry is `{other}`; it must be NONE, ODD or EVEN");
            return Err(kind.error(text));
        }
    };
    Ok(StageFilter::Fir {
        symmetry,
        coefficients: numbers(element, "NumeratorCoefficient")?,
    })
}
