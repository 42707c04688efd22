/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lifecycle.h"
#include "symbol_channel_impl.h"
#include <gnuradio/io_signature.h>
#include <gnuradio/semcom/pdu.h>
#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gr {
namespace semcom {

namespace {

const pmt::pmt_t& port()
{
    static const pmt::pmt_t name = pmt::mp("symbols");
    return name;
}

// Sequence numbers of the stream's generators; bursts count up from zero and never get
// there.
constexpr uint64_t STREAM_FADING = ~0ULL - 1;
constexpr uint64_t STREAM_NOISE = ~0ULL - 2;

// Below this a fade has no phase left to correct, and dividing by it would only overflow.
constexpr float DEEPEST_FADE = 1e-6f;

// A fragment that cannot cross still leaves, so that the receiver gives its image up
// and the source is not left waiting for it.
pmt::pmt_t given_up(const pmt::pmt_t& meta, const std::string& why)
{
    return pmt::cons(pmt::dict_add(meta, pdu::error(), pmt::mp(why)),
                     pmt::make_c32vector(0, 0));
}

} // namespace

void pass_burst(const gr_complex* x,
                const gr_complex* w,
                gr_complex* y,
                size_t n,
                gr_complex h,
                gr_complex h_est,
                double& signal_energy,
                double& noise_energy)
{
    const gr_complex inverse = std::conj(h_est) / std::norm(h_est);
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        // spelled out: std::complex's product checks for infinities and does not
        // vectorise
        const float re = h.real() * x[i].real() - h.imag() * x[i].imag();
        const float im = h.real() * x[i].imag() + h.imag() * x[i].real();
        signal += re * re + im * im;
        noise += w[i].real() * w[i].real() + w[i].imag() * w[i].imag();
        const float r = re + w[i].real(), s = im + w[i].imag();
        y[i] = { r * inverse.real() - s * inverse.imag(),
                 r * inverse.imag() + s * inverse.real() };
    }
    signal_energy += signal;
    noise_energy += noise;
}

symbol_channel::sptr symbol_channel::make(const std::string& model,
                                          double snr_db,
                                          const std::string& csi,
                                          double k_factor_db,
                                          int n_pilots,
                                          double loss,
                                          int block_len,
                                          int64_t seed)
{
    return gnuradio::make_block_sptr<symbol_channel_impl>(
        model, snr_db, csi, k_factor_db, n_pilots, loss, block_len, seed);
}

symbol_channel_impl::symbol_channel_impl(const std::string& model,
                                         double snr_db,
                                         const std::string& csi,
                                         double k_factor_db,
                                         int n_pilots,
                                         double loss,
                                         int block_len,
                                         int64_t seed)
    : gr::sync_block("Symbol Channel",
                     gr::io_signature::make(0, 1, sizeof(gr_complex)),
                     gr::io_signature::make(0, 1, sizeof(gr_complex))),
      d_settings{ model_of(model),
                  csi_of(csi, n_pilots),
                  decibels("the SNR", snr_db),
                  decibels("the K factor", k_factor_db),
                  probability(loss) },
      d_n_pilots(n_pilots),
      d_block_len(block_len),
      d_seed(seed),
      d_stream_fading(seed, STREAM_FADING),
      d_stream_noise(seed, STREAM_NOISE)
{
    if (n_pilots < 1)
        throw std::invalid_argument("there must be at least 1 pilot per block, not " +
                                    std::to_string(n_pilots));
    if (block_len < 1)
        throw std::invalid_argument("a fading block must have at least 1 symbol, not " +
                                    std::to_string(block_len));
    if (seed < 0)
        throw std::invalid_argument("the seed must be a whole number from 0, not " +
                                    std::to_string(seed));
    message_port_register_in(port());
    message_port_register_out(port());
    message_port_register_out(pmt::mp("status"));
    set_msg_handler(port(), [this](const pmt::pmt_t& pdu) { handle_symbols(pdu); });
}

symbol_channel_impl::model symbol_channel_impl::model_of(const std::string& name)
{
    if (name == "awgn")
        return model::awgn;
    if (name == "rayleigh")
        return model::rayleigh;
    if (name == "rician")
        return model::rician;
    throw std::invalid_argument("there is no channel model " + name +
                                "; choose awgn, rayleigh or rician");
}

symbol_channel_impl::csi symbol_channel_impl::csi_of(const std::string& name,
                                                     int n_pilots)
{
    if (name == "ideal")
        return csi::ideal;
    if (name == "pilot")
        return csi::pilot;
    if (name == "estimated") {
        if (n_pilots == 1)
            throw std::invalid_argument(
                "one pilot does not tell the noise; choose 2 or more, or csi pilot");
        return csi::estimated;
    }
    if (name == "none")
        return csi::none;
    throw std::invalid_argument("there is no channel knowledge " + name +
                                "; choose ideal, pilot, estimated or none");
}

double symbol_channel_impl::decibels(const char* what, double value)
{
    if (!(std::abs(value) <= 100)) // false for nan too
        throw std::invalid_argument(std::string(what) +
                                    " must be between -100 and 100 dB, not " +
                                    std::to_string(value));
    return value;
}

double symbol_channel_impl::probability(double value)
{
    if (!(value >= 0 && value <= 1))
        throw std::invalid_argument("the loss must be a probability from 0 to 1, not " +
                                    std::to_string(value));
    return value;
}

void symbol_channel_impl::set_model(const std::string& model)
{
    const auto value = model_of(model);
    std::lock_guard<std::mutex> lock(d_mutex);
    d_settings.model = value;
}

void symbol_channel_impl::set_snr_db(double snr_db)
{
    decibels("the SNR", snr_db);
    std::lock_guard<std::mutex> lock(d_mutex);
    d_settings.snr_db = snr_db;
}

void symbol_channel_impl::set_csi(const std::string& csi)
{
    const auto value = csi_of(csi, d_n_pilots);
    std::lock_guard<std::mutex> lock(d_mutex);
    d_settings.csi = value;
}

void symbol_channel_impl::set_k_factor_db(double k_factor_db)
{
    decibels("the K factor", k_factor_db);
    std::lock_guard<std::mutex> lock(d_mutex);
    d_settings.k_factor_db = k_factor_db;
}

void symbol_channel_impl::set_loss(double loss)
{
    probability(loss);
    std::lock_guard<std::mutex> lock(d_mutex);
    d_settings.loss = loss;
}

double symbol_channel_impl::snr_db() const { return current().snr_db; }

symbol_channel_impl::settings symbol_channel_impl::current() const
{
    std::lock_guard<std::mutex> lock(d_mutex);
    return d_settings;
}

symbol_channel_impl::fade symbol_channel_impl::draw(const settings& now,
                                                    random_source& random) const
{
    fade out;
    const gr_complex scattered = random.gaussian();
    const float phase = static_cast<float>(2 * M_PI * random.uniform());
    const gr_complex pilot_noise = random.gaussian();
    switch (now.model) {
    case model::awgn:
        out.h = 1;
        break;
    case model::rayleigh:
        out.h = scattered;
        break;
    case model::rician: {
        const double k = std::pow(10.0, now.k_factor_db / 10);
        out.h = std::polar(static_cast<float>(std::sqrt(k / (k + 1))), phase) +
                scattered * static_cast<float>(std::sqrt(1 / (k + 1)));
        break;
    }
    }
    const double n0 = now.noise_var();
    double spread = n0;
    switch (now.csi) {
    case csi::ideal:
        out.h_est = out.h;
        break;
    case csi::pilot:
    case csi::estimated:
        // the mean of n_pilots noisy observations of h is h plus noise of variance
        // N0/n_pilots
        out.h_est = out.h + pilot_noise * static_cast<float>(std::sqrt(n0 / d_n_pilots));
        spread = n0 * (1 + 1.0 / d_n_pilots);
        break;
    case csi::none:
        out.h_est = 1;
        break;
    }
    if (std::abs(out.h_est) < DEEPEST_FADE)
        out.h_est = DEEPEST_FADE;
    out.noise_var = static_cast<float>(spread / std::norm(out.h_est));
    return out;
}

float symbol_channel_impl::residue(random_source& random) const
{
    // what least squares leaves of n noisy pilots has n - 1 complex degrees of freedom
    double energy = 0;
    for (int i = 1; i < d_n_pilots; i++)
        energy += std::norm(random.gaussian());
    return static_cast<float>(energy / (d_n_pilots - 1));
}

void symbol_channel_impl::handle_symbols(const pmt::pmt_t& pdu)
{
    if (!pmt::is_pair(pdu) || !pmt::is_dict(pmt::car(pdu)) ||
        !pmt::is_uniform_vector(pmt::cdr(pdu))) {
        d_logger->error("a message arrived that is no symbols PDU; it is dropped");
        return;
    }
    pmt::pmt_t meta = pmt::car(pdu);
    if (pmt::length(pmt::cdr(pdu)) == 0 || pmt::dict_has_key(meta, pdu::error())) {
        // of the port's own type, whatever it was: a foreign block may listen
        message_port_pub(port(),
                         pmt::is_c32vector(pmt::cdr(pdu))
                             ? pdu
                             : pmt::cons(meta, pmt::make_c32vector(0, 0)));
        return;
    }
    if (!pmt::is_c32vector(pmt::cdr(pdu))) {
        message_port_pub(port(),
                         given_up(meta,
                                  "the payload of a symbols PDU must be a c32vector of "
                                  "complex symbols"));
        return;
    }
    const settings now = current();
    random_source random(d_seed, d_bursts++);
    const bool lost = random.uniform() < now.loss;
    // a burst that is lost has used the channel all the same
    const bool pilots = now.csi == csi::pilot || now.csi == csi::estimated;
    meta = pmt::dict_add(meta, pdu::pilots(), pmt::from_long(pilots ? d_n_pilots : 0));
    if (lost) {
        message_port_pub(port(), pmt::cons(meta, pmt::make_c32vector(0, 0)));
        return;
    }
    fade burst = draw(now, random);
    size_t n = 0;
    const gr_complex* x = pmt::c32vector_elements(pmt::cdr(pdu), n);
    const float deviation = static_cast<float>(std::sqrt(now.noise_var()));
    d_noise.resize(n);
    std::generate(
        d_noise.begin(), d_noise.end(), [&] { return random.gaussian() * deviation; });
    if (now.csi == csi::estimated)
        burst.noise_var *= residue(random);
    double signal_energy = 0, noise_energy = 0;
    pass_burst(x,
               d_noise.data(),
               d_noise.data(),
               n,
               burst.h,
               burst.h_est,
               signal_energy,
               noise_energy);

    if (!std::isfinite(signal_energy)) {
        message_port_pub(port(),
                         given_up(meta,
                                  "the symbols of the PDU are not all finite numbers; "
                                  "check the encoder that made them"));
        return;
    }
    meta = pmt::dict_add(meta, pdu::noise_var(), pmt::make_f32vector(n, burst.noise_var));
    meta = pmt::dict_add(meta, pdu::signal_energy(), pmt::from_double(signal_energy));
    meta = pmt::dict_add(meta, pdu::noise_energy(), pmt::from_double(noise_energy));
    if (signal_energy > 0 && noise_energy > 0)
        meta = pmt::dict_add(
            meta,
            pdu::snr_db(),
            pmt::from_double(10 * std::log10(signal_energy / noise_energy)));
    message_port_pub(port(), pmt::cons(meta, pmt::init_c32vector(n, d_noise.data())));
}

bool symbol_channel_impl::check_topology(int ninputs, int noutputs)
{
    return ninputs == noutputs;
}

bool symbol_channel_impl::start()
{
    forget_earlier_end(*this);
    return gr::sync_block::start();
}

int symbol_channel_impl::work(int noutput_items,
                              gr_vector_const_void_star& input_items,
                              gr_vector_void_star& output_items)
{
    const auto* x = static_cast<const gr_complex*>(input_items[0]);
    auto* y = static_cast<gr_complex*>(output_items[0]);
    const settings now = current();
    const float deviation = static_cast<float>(std::sqrt(now.noise_var()));
    double signal_energy = 0, noise_energy = 0;
    for (int done = 0; done < noutput_items;) {
        if (d_position == 0)
            d_stream_fade = draw(now, d_stream_fading);
        const auto n = std::min<uint64_t>(noutput_items - done, d_block_len - d_position);
        std::generate(y + done, y + done + n, [&] {
            return d_stream_noise.gaussian() * deviation;
        });
        pass_burst(x + done,
                   y + done,
                   y + done,
                   n,
                   d_stream_fade.h,
                   d_stream_fade.h_est,
                   signal_energy,
                   noise_energy);
        done += static_cast<int>(n);
        d_position = (d_position + n) % d_block_len;
    }
    return noutput_items;
}

} // namespace semcom
} // namespace gr
