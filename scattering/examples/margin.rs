
use seismix_scattering::*;
fn main(){
 let args: Vec<String>=std::env::args().collect();
 let octaves: usize=args[1].parse().unwrap();
 let exact = args[2]=="exact";
 let n=1<<18; let block:usize=args[3].parse().unwrap();
 let mut s=12345u64; let mut u=||{s=s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);(s>>11) as f64/(1u64<<53) as f64-0.5};
 let mut last=0.0; let x:Vec<f64>=(0..n).map(|_|{let v=(0..6).map(|_|u()).sum::<f64>(); last=0.9*last+v; last}).collect();
 let ov= if exact {Oversampling::Exact} else {Oversampling::Times(args[2].parse().unwrap())};
 let whole=ScatteringTransform::<f64>::plan(n).octaves(octaves).pool(block).oversampling(Oversampling::Exact).check().unwrap();
 let r=whole.process_vec(&x).unwrap(); let nb=n/block;
 for margin in [8192]{
  let b=BlockTransform::<f64>::plan(block).octaves(octaves).oversampling(ov).margin(margin).check().unwrap();
  let np=b.paths().len(); let mut out=vec![Complex::new(0.0,0.0);nb*np];
  b.process(&x,0,nb,&mut out).unwrap();
  let mean=|k:usize| (0..nb).map(|i| r[k*nb+i].re).sum::<f64>()/nb as f64;
  let find=|kind,j1:usize,j2| b.paths().iter().position(|p|p.kind==kind&&p.j1_left==j1&&p.j1_right==Some(j1)&&p.j2==j2).unwrap();
  let mut rmsmax=0.0f64; let mut w=0.0f64; let mut wm=(0.0f64,None); let mut which=None;
  for (k,p) in b.paths().iter().enumerate(){
   let right=p.j1_right.unwrap_or(p.j1_left);
   let pw=|j| mean(find(CoefficientKind::PowerSpectrum,j,None));
   let env=|j| mean(find(CoefficientKind::Envelope,j,p.j2));
   let nat=match p.kind{CoefficientKind::PhaseEnvelope=>(pw(p.j1_left)*env(right)).sqrt(),CoefficientKind::Envelope=>(env(p.j1_left)*env(right)).sqrt(),CoefficientKind::PowerSpectrum=>pw(p.j1_left),_=>pw(p.j1_left).sqrt()};
   let mut m=Complex::new(0.0,0.0); let mut s2=0.0; for i in 0..nb { m+=(out[i*np+k]-r[k*nb+i])/nb as f64; let e=(out[i*np+k]-r[k*nb+i]).norm()/nat; s2+=e*e; if e>w {w=e;which=Some((*p,i));} }
 rmsmax=rmsmax.max((s2/nb as f64).sqrt()); let e=m.norm()/nat; if e>wm.0 {wm=(e,Some(*p));}
  }
  println!("rms {rmsmax:.2e} mean {:.2e} {:?}",wm.0,wm.1.map(|p|(p.kind,p.j1_left,p.j1_right,p.j2))); println!("J {octaves} margin {margin} chunk {}: {w:.2e} {:?}", b.transform().window_samples(), which.map(|(p,i)|(p.kind,p.j1_left,p.j1_right,p.j2,i)));
 }
}
